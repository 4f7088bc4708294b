import { createHash } from 'node:crypto';
import { readFile, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';
import { isTemporaryFile, writeFileAtomic } from './atomic-file.ts';

export interface CheckpointStoreOptions<T> {
  /** One file a key. */
  readonly directory: string;
  /** Checks what was read; whatever it throws makes the checkpoint corrupt. */
  readonly parse: (data: unknown) => T;
  /** Told once for each checkpoint that was unreadable, after it was set aside. */
  readonly onCorrupt: (corrupt: CorruptCheckpoint) => void;
}

export interface CorruptCheckpoint {
  readonly key: string;
  /** Where it is kept now, for a person to look at. */
  readonly movedTo: string;
  readonly reason: string;
}

/** Version of the envelope around the data. */
const FORMAT = 1;
const CORRUPT_SUFFIX = '.corrupt';
/** What may be a file name of ours: container ids, UIDs, names. */
const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$/;

/**
 * State in files, one JSON document a key, each written atomically and with a checksum (kubelet
 * pkg/kubelet/checkpointmanager). A damaged file is renamed to `<key>.corrupt`, reported, and then as good as absent: never
 * fatal.
 *
 * INVARIANTS
 * 1. What `get` answers is exactly what some `put` stored.
 * 2. A crash in the middle of `put` leaves the previous checkpoint.
 * 3. A corrupt checkpoint is reported once and does not come back.
 * Writes of one key must not overlap: the last to rename wins.
 */
export class CheckpointStore<T> {
  readonly #options: CheckpointStoreOptions<T>;

  constructor(options: CheckpointStoreOptions<T>) {
    this.#options = options;
  }

  /** `undefined` when there is none, or when it was corrupt. */
  async get(key: string): Promise<T | undefined> {
    const file = this.#file(key);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    try {
      return this.#options.parse(open(text));
    } catch (error) {
      const movedTo = file + CORRUPT_SUFFIX;
      await rename(file, movedTo);
      this.#options.onCorrupt({ key, movedTo, reason: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  async put(key: string, data: T): Promise<void> {
    const json = JSON.stringify(data);
    await writeFileAtomic(this.#file(key), JSON.stringify({ format: FORMAT, checksum: checksumOf(json), data: json }));
  }

  /** Success when there is none. */
  async remove(key: string): Promise<void> {
    await rm(this.#file(key), { force: true });
  }

  /** Every readable checkpoint by key. Also clears what crashes in the middle of writing left. */
  async load(): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    for (const name of await this.#names()) {
      if (isTemporaryFile(name)) {
        await rm(path.join(this.#options.directory, name), { force: true });
        continue;
      }
      if (name.endsWith(CORRUPT_SUFFIX) || !KEY.test(name)) continue;
      const data = await this.get(name);
      if (data !== undefined) found.set(name, data);
    }
    return found;
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#options.directory)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #file(key: string): string {
    if (!KEY.test(key) || key.endsWith(CORRUPT_SUFFIX)) throw new InvalidInputError(`"${key}" cannot be the key of a checkpoint`);
    return path.join(this.#options.directory, key);
  }
}

function open(text: string): unknown {
  const envelope: unknown = JSON.parse(text);
  if (typeof envelope !== 'object' || envelope === null || !('format' in envelope) || !('checksum' in envelope) || !('data' in envelope)) {
    throw new Error('not a checkpoint');
  }
  if (envelope.format !== FORMAT) throw new Error(`format ${JSON.stringify(envelope.format)} is not known`);
  if (typeof envelope.data !== 'string') throw new Error('not a checkpoint');
  if (envelope.checksum !== checksumOf(envelope.data)) throw new Error('the checksum does not match');
  return JSON.parse(envelope.data);
}

function checksumOf(json: string): string {
  return createHash('sha256').update(json).digest('hex');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
