import { appendFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, exists, type Progress } from './cache.ts';
import { tryLock, type Lock } from './lock.ts';
import type { Tools } from './prerequisites.ts';
import { processMark, slotName, slotRunDir, type LedgerEntry } from './ledger.ts';
import { reclaim } from './reclaim.ts';
import { run } from './run.ts';

/** How many test beds one machine can run at the same time: 10.200.0.0/16 to 10.215.0.0/16. */
export const slotCount = 16;

/**
 * A test bed's place on the machine: a number that nobody else uses, and from
 * it names, addresses and folders. Everything made is recorded before or as it
 * is made, so that the next owner of the number can remove what a killed one left.
 */
export class Slot {
  readonly number: number;
  /** Prefix of every name: network links, cgroups. */
  readonly name: string;
  /** Folder for big and lasting files: images, logs, the API server's data. */
  readonly dir: string;
  /** Folder for sockets: a short path, since a unix socket's has at most 107 bytes. */
  readonly runDir: string;
  /** The bridge that all machines of this test bed are on, and this machine's address on it. */
  readonly bridge: string;
  readonly address: string;
  readonly tools: Tools;
  readonly progress: Progress;
  readonly #lock: Lock;

  constructor(number: number, tools: Tools, progress: Progress, lock: Lock) {
    this.number = number;
    this.name = slotName(number);
    this.dir = join(cacheDir(), 'slots', number.toString());
    this.runDir = slotRunDir(number);
    this.bridge = this.name;
    this.address = this.ip(0, 1);
    this.tools = tools;
    this.progress = progress;
    this.#lock = lock;
  }

  /** An address of this slot's 10.x.0.0/16. */
  ip(third: number, fourth: number): string {
    return `10.${(200 + this.number).toString()}.${third.toString()}.${fourth.toString()}`;
  }

  /** The environment of every process of this test bed: the mark by which a later clean-up knows them. */
  get env(): NodeJS.ProcessEnv {
    return { ...this.tools.env, [processMark]: this.name };
  }

  /** Notes something that {@link release}, or the next owner after a crash, has to remove. */
  record(entry: LedgerEntry): void {
    // Synchronous: nothing may come between the making and the note of it.
    appendFileSync(join(this.runDir, 'ledger.jsonl'), `${JSON.stringify(entry)}\n`);
  }

  /** Removes everything that was made in this slot, then lets the number go. */
  async release(): Promise<void> {
    try {
      await reclaim(this.number, this.tools);
    } finally {
      await this.#lock.release();
    }
  }
}

/**
 * Removes what test beds left whose process was killed, on every slot that nobody holds.
 *
 * @returns what it removed, a line each.
 */
export async function reclaimAbandoned(tools: Tools): Promise<string[]> {
  const removed: string[] = [];
  for (let number = 0; number < slotCount; number++) {
    if (!(await exists(slotRunDir(number)))) continue;
    const lock = await tryLock(`slot:${number.toString()}`);
    if (lock === undefined) continue;
    try {
      removed.push(...(await reclaim(number, tools)));
    } finally {
      await lock.release();
    }
  }
  return removed;
}

/**
 * Removes what killed test beds left, then claims the lowest free slot and makes its bridge.
 *
 * @throws Error when all slots are in use or collide with this machine's networks.
 */
export async function claimSlot(tools: Tools, progress: Progress, signal?: AbortSignal): Promise<Slot> {
  for (const line of await reclaimAbandoned(tools)) progress(`removed what an ended test bed left: ${line}`);
  const reasons: string[] = [];
  for (let number = 0; number < slotCount; number++) {
    const lock = await tryLock(`slot:${number.toString()}`);
    if (lock === undefined) {
      reasons.push(`${number.toString()} in use`);
      continue;
    }
    const slot = new Slot(number, tools, progress, lock);
    try {
      const taken = await collision(number);
      if (taken === undefined) {
        await open(slot, signal);
        return slot;
      }
      reasons.push(`${number.toString()} collides with ${taken}`);
    } catch (error) {
      await slot.release();
      throw error;
    }
    await slot.release();
  }
  throw new Error(`no free slot for a test bed: ${reasons.join(', ')}`);
}

async function open(slot: Slot, signal?: AbortSignal): Promise<void> {
  await mkdir(slot.runDir, { recursive: true, mode: 0o700 });
  slot.record({ kind: 'dir', path: slot.dir });
  await mkdir(slot.dir, { recursive: true });
  slot.record({ kind: 'link', name: slot.bridge });
  const ip = (...args: string[]): Promise<unknown> => run(['ip', ...args], { env: slot.env, signal });
  await ip('link', 'add', slot.bridge, 'type', 'bridge');
  await ip('addr', 'add', `${slot.address}/24`, 'dev', slot.bridge);
  await ip('link', 'set', slot.bridge, 'up');
}

/** A route of this machine into the slot's 10.x.0.0/16: somebody else's network. */
async function collision(number: number): Promise<string | undefined> {
  const prefix = `10.${(200 + number).toString()}.`;
  // Destination in the first column, little-endian hex as the kernel has it.
  for (const line of (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1)) {
    const [device, destination] = line.split('\t');
    if (device === undefined || destination === undefined) continue;
    const bytes =
      destination
        .match(/../g)
        ?.reverse()
        .map((byte) => Number.parseInt(byte, 16).toString()) ?? [];
    if (`${bytes.join('.')}.`.startsWith(prefix)) return `a route on ${device}`;
  }
  return undefined;
}
