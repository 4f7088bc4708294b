import { watch, type FSWatcher } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '../../api/types.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { errorMessage, InvalidInputError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PodManager } from '../pod-manager.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from './static-manifest.ts';

export interface FileSourceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly pods: PodManager;
  readonly nodeName: string;
  /** A directory of manifests, or one manifest. */
  readonly path: string;
  /** Read again this often whatever the watch says, ms. */
  readonly checkFrequencyMs: number;
}

/** Editors write in several steps: this long after the last change the directory is read, ms. */
const QUIET_MS = 100;

interface Manifest {
  readonly text: string;
  /** The last that could be read from it; kept while the file is there but cannot be. */
  readonly pods: readonly Pod[];
  readonly complaint: string | undefined;
}

/**
 * Static pods from files (kubelet pkg/kubelet/config/file.go).
 *
 * INVARIANTS
 * - The first complete reading is delivered even when there is nothing, so that the source counts as heard.
 * - A file whose text has not changed keeps its pods as they are; a malformed file keeps the pods it had, and is told about once.
 * - A directory that cannot be read changes nothing.
 * - Two readings never overlap.
 */
export class FileSource {
  readonly #options: FileSourceOptions;
  #manifests = new Map<string, Manifest>();
  #watcher: FSWatcher | undefined;
  #quiet: Timer | undefined;
  #complaint: string | undefined;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  /** Reads until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, checkFrequencyMs } = this.#options;
    while (!signal.aborted) {
      const changed = new AbortController();
      this.#onQuiet = () => changed.abort();
      // Anew each time: a directory that was replaced is another one. Before the reading, so that no change falls between.
      this.#unwatch();
      this.#watch();
      await this.read();
      const either = AbortSignal.any([signal, changed.signal]);
      await clock.sleep(checkFrequencyMs, either).catch(() => undefined); // cut short: read again, or end
    }
    this.#unwatch();
    this.#quiet?.cancel();
  }

  #onQuiet: () => void = () => undefined;

  /** Reads everything once and delivers it if something has changed. */
  async read(): Promise<void> {
    const manifests = await this.#readAll();
    if (manifests === undefined) return;
    const same =
      manifests.size === this.#manifests.size && [...manifests].every(([file, manifest]) => this.#manifests.get(file) === manifest);
    this.#manifests = manifests;
    const { pods } = this.#options;
    if (!same || !pods.hasSeen('file')) pods.replace('file', this.#unique([...manifests.values()].flatMap((manifest) => manifest.pods)));
  }

  /** `undefined` when what is there cannot be told. */
  async #readAll(): Promise<Map<string, Manifest> | undefined> {
    const manifests = new Map<string, Manifest>();
    try {
      for (const file of await this.#files()) {
        const manifest = await this.#readFile(file);
        if (manifest !== undefined) manifests.set(file, manifest);
      }
      this.#complaint = undefined;
      return manifests;
    } catch (error) {
      if (isMissing(error)) return manifests;
      const complaint = errorMessage(error);
      if (complaint !== this.#complaint)
        this.#options.log.error('Cannot read the static pods', { path: this.#options.path, error: complaint });
      this.#complaint = complaint;
      return undefined;
    }
  }

  async #files(): Promise<string[]> {
    const { path: root } = this.#options;
    if (!(await stat(root)).isDirectory()) return [root];
    const names = (await readdir(root)).filter((name) => !name.startsWith('.')).sort();
    return names.map((name) => path.join(root, name));
  }

  async #readFile(file: string): Promise<Manifest | undefined> {
    const before = this.#manifests.get(file);
    try {
      const text = await readManifest(file);
      if (text === undefined) return undefined;
      if (text === before?.text) return before;
      return this.#parse(file, text, before);
    } catch (error) {
      if (isMissing(error)) return undefined;
      return this.#complain(file, before?.text ?? '', before, errorMessage(error));
    }
  }

  #parse(file: string, text: string, before: Manifest | undefined): Manifest {
    const { clock, nodeName } = this.#options;
    try {
      const pods = parseManifest(text, { kind: 'file', location: file, nodeName, seenAt: clock.now() });
      return { text, pods, complaint: undefined };
    } catch (error) {
      return this.#complain(file, text, before, errorMessage(error));
    }
  }

  #complain(file: string, text: string, before: Manifest | undefined, complaint: string): Manifest {
    if (before?.complaint === complaint && before.text === text) return before;
    this.#options.log.error('A static pod manifest cannot be used', { file, complaint });
    return { text, pods: before?.pods ?? [], complaint };
  }

  #unique(pods: readonly Pod[]): Pod[] {
    const names = new Set<string>();
    return pods.filter((pod) => {
      const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
      if (names.has(name)) this.#options.log.error('Two static pod manifests are of one name, the second is not used', { pod: name });
      return names.size < names.add(name).size;
    });
  }

  /** Best effort: without a watch the regular reading is all there is. */
  #watch(): void {
    const { path: root, log } = this.#options;
    try {
      this.#watcher = watch(root, { persistent: false }, () => this.#onEvent());
      this.#watcher.on('error', () => this.#unwatch());
    } catch (error) {
      log.debug('Cannot watch the static pods, they are read regularly', { path: root, error: errorMessage(error) });
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #onEvent(): void {
    this.#quiet?.cancel();
    this.#quiet = this.#options.clock.after(QUIET_MS, () => this.#onQuiet());
  }
}

/** `undefined` for what is no file. @throws InvalidInputError when it is too long */
async function readManifest(file: string): Promise<string | undefined> {
  await using handle = await open(file, 'r');
  const { size, isFile } = await handle.stat().then((found) => ({ size: found.size, isFile: found.isFile() }));
  if (!isFile) return undefined;
  if (size > MAX_MANIFEST_BYTES) throw new InvalidInputError(`it is ${size} bytes long, more than ${MAX_MANIFEST_BYTES}`);
  return handle.readFile('utf8');
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
