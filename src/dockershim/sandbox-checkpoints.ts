import path from 'node:path';
import { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import type { SandboxNetworkState } from '../network/sandbox-network.ts';
import { CheckpointStore } from '../store/checkpoint-store.ts';
import { sandboxRecordSchema, type SandboxRecord } from './records.ts';

/** What must outlive a sandbox's container in order to take its network down. */
export interface SandboxCheckpoint {
  /** Name, namespace, port mappings, host network and everything else it was made with. */
  readonly record: SandboxRecord;
  /** Present once the network has been set up by somebody other than the engine. */
  readonly network?: SandboxNetworkState | undefined;
  /** The network has been taken down: nothing is left to do. */
  readonly networkDown?: boolean | undefined;
}

const schema = z.object({
  record: sandboxRecordSchema,
  network: z.object({ ips: z.array(z.string()), details: z.unknown().optional() }).optional(),
  networkDown: z.boolean().optional(),
});

/**
 * Checkpoints of sandboxes by id, in memory and on disk (dockershim checkpoint.go).
 *
 * INVARIANTS
 * 1. Memory and disk say the same once a call has resolved.
 * 2. Changes of one sandbox reach the disk in the order in which they were made.
 */
export class SandboxCheckpoints {
  readonly #store: CheckpointStore<SandboxCheckpoint>;
  #checkpoints = new Map<string, SandboxCheckpoint>();
  readonly #writes = new Map<string, Promise<void>>();

  constructor(rootDirectory: string, logger: Logger) {
    this.#store = new CheckpointStore<SandboxCheckpoint>({
      directory: path.join(rootDirectory, 'sandbox'),
      parse: (data) => schema.parse(data),
      onCorrupt: ({ key, movedTo, reason }) => {
        logger.error('Set a corrupt sandbox checkpoint aside', { sandbox: key, movedTo, reason });
      },
    });
  }

  async load(): Promise<void> {
    this.#checkpoints = await this.#store.load();
  }

  get(sandboxId: string): SandboxCheckpoint | undefined {
    return this.#checkpoints.get(sandboxId);
  }

  entries(): readonly (readonly [string, SandboxCheckpoint])[] {
    return [...this.#checkpoints];
  }

  async put(sandboxId: string, checkpoint: SandboxCheckpoint): Promise<void> {
    this.#checkpoints.set(sandboxId, checkpoint);
    await this.#inOrder(sandboxId, () => this.#store.put(sandboxId, checkpoint));
  }

  async remove(sandboxId: string): Promise<void> {
    this.#checkpoints.delete(sandboxId);
    await this.#inOrder(sandboxId, () => this.#store.remove(sandboxId));
  }

  async #inOrder(sandboxId: string, write: () => Promise<void>): Promise<void> {
    const previous = this.#writes.get(sandboxId) ?? Promise.resolve();
    const mine = previous.then(write, write);
    this.#writes.set(sandboxId, mine);
    try {
      await mine;
    } finally {
      if (this.#writes.get(sandboxId) === mine) this.#writes.delete(sandboxId);
    }
  }
}
