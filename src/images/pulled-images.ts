import { createHash } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import type { Logger } from '../lib/log.ts';
import type { AuthConfig } from '../runtime/types.ts';
import { CheckpointStore } from '../store/checkpoint-store.ts';
import type { Credential } from './keyring.ts';

const secretUse = z.object({ uid: z.string(), namespace: z.string(), name: z.string(), hash: z.string() });
const access = z.object({
  /** It was pulled with what every pod of the node has. */
  everyPod: z.boolean(),
  secrets: z.array(secretUse),
});
const record = z.object({
  imageId: z.string(),
  /** ms since the epoch. */
  lastPulled: z.number(),
  /** By repository: the same content may be public under one name and private under another. */
  repositories: z.record(z.string(), access),
});
export type PulledImage = z.infer<typeof record>;
type SecretUse = z.infer<typeof secretUse>;

/** Rotated secrets that are remembered for a repository; older ones pull again once. */
const MAX_SECRETS = 100;

/**
 * Which images this agent has pulled, and with whose credentials (upstream pkg/kubelet/images/pullmanager): image garbage collection
 * removes no others, and a pod without the credentials for an image does not get it because another pod had them.
 *
 * INVARIANTS
 * 1. An image that was there before this agent pulled it is not recorded.
 * 2. An image that is not recorded may be used by every pod.
 */
export class PulledImages {
  readonly #store: CheckpointStore<PulledImage>;
  readonly #records = new Map<string, PulledImage>();

  private constructor(store: CheckpointStore<PulledImage>) {
    this.#store = store;
  }

  /** Reads what earlier runs of the agent have recorded under `directory`. */
  static async load(directory: string, logger: Logger): Promise<PulledImages> {
    const store = new CheckpointStore({
      directory: path.join(directory, 'pulled'),
      parse: (data) => record.parse(data),
      onCorrupt: (corrupt) => logger.warn('The record of a pulled image was unreadable', { ...corrupt }),
    });
    const images = new PulledImages(store);
    for (const pulled of (await store.load()).values()) images.#records.set(pulled.imageId, pulled);
    return images;
  }

  list(): readonly PulledImage[] {
    return [...this.#records.values()];
  }

  /** Whether a pod with these credentials may use the image as it is, without asking the registry. */
  mayUse(imageId: string, repository: string, credentials: readonly Credential[]): boolean {
    const pulled = this.#records.get(imageId);
    if (pulled === undefined) return true;
    const use = pulled.repositories[repository];
    if (use === undefined) return false;
    return use.everyPod || credentials.some((credential) => use.secrets.some((known) => isSame(known, credential)));
  }

  /** @param before id under the same name before the pull; an image that was there stays its owner's */
  async pulled(
    imageId: string,
    before: string | undefined,
    repository: string,
    credential: Credential | undefined,
    nowMs: number,
  ): Promise<void> {
    const known = this.#records.get(imageId);
    if (known === undefined && before === imageId) return;
    const use = known?.repositories[repository] ?? { everyPod: false, secrets: [] };
    const updated: PulledImage = {
      imageId,
      lastPulled: nowMs,
      repositories: { ...known?.repositories, [repository]: withCredential(use, credential) },
    };
    this.#records.set(imageId, updated);
    await this.#store.put(keyOf(imageId), updated);
  }

  /** The image is gone from the engine. */
  async forget(imageId: string): Promise<void> {
    this.#records.delete(imageId);
    await this.#store.remove(keyOf(imageId));
  }
}

/** Tells credentials apart without keeping them. */
export function credentialHash(auth: AuthConfig): string {
  const fields = [auth.username, auth.password, auth.auth, auth.serverAddress, auth.identityToken, auth.registryToken];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

function withCredential(use: z.infer<typeof access>, credential: Credential | undefined): z.infer<typeof access> {
  if (credential?.source === undefined) return { ...use, everyPod: true };
  const added: SecretUse = { ...credential.source, hash: credentialHash(credential.auth) };
  const others = use.secrets.filter((known) => !isSameSecret(known, added));
  return { ...use, secrets: [...others, added].slice(-MAX_SECRETS) };
}

/** The same secret, though its content may have been rotated since, or the same content in another secret. */
function isSame(known: SecretUse, { source, auth }: Credential): boolean {
  return (source !== undefined && isSameSecret(known, source)) || known.hash === credentialHash(auth);
}

function isSameSecret(a: Omit<SecretUse, 'hash'>, b: Omit<SecretUse, 'hash'>): boolean {
  return a.uid === b.uid && a.namespace === b.namespace && a.name === b.name;
}

function keyOf(imageId: string): string {
  return imageId.replace(/[^A-Za-z0-9_.-]/g, '-');
}
