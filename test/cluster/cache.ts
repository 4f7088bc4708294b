import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { lock } from './lock.ts';

/** Prints one line of progress. */
export type Progress = (line: string) => void;

/** The folder where builds and downloads are kept between runs: outside every checkout. */
export function cacheDir(): string {
  const own = process.env['SHORELET_CACHE'];
  if (own !== undefined && own !== '') return own;
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache'), 'shorelet');
}

/** A thing in the cache: its path is a function of everything it was made from. */
export interface CacheEntry {
  /** What a person would call it, for messages. */
  readonly what: string;
  /** Path under the cache folder, with the key in it. */
  readonly path: string;
  /** Makes the thing (a file or a folder) at `target`, which does not exist yet. */
  readonly make: (target: string) => Promise<void>;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the path of a cached thing, making it if it is absent.
 *
 * Made under a temporary name and renamed when complete; of several processes
 * that want it, one makes it and the others wait.
 */
export async function cached(entry: CacheEntry): Promise<string> {
  const target = join(cacheDir(), entry.path);
  if (await exists(target)) return target;
  const held = await lock(`cache:${target}`, entry.signal, () => {
    entry.progress(`another process is making ${entry.what}: waiting for it`);
  });
  try {
    if (await exists(target)) return target;
    await mkdir(dirname(target), { recursive: true });
    await removeStale(target);
    const temporary = `${target}.${randomBytes(4).toString('hex')}.part`;
    try {
      await entry.make(temporary);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return target;
  } finally {
    await held.release();
  }
}

/** A short hash of texts, for keys. */
export function keyOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** A short hash of the contents of files and folders (names inside folders included), for keys. */
export async function keyOfFiles(...paths: readonly string[]): Promise<string> {
  const parts: (string | Buffer)[] = [];
  for (const path of paths) {
    if (!(await stat(path)).isDirectory()) {
      parts.push(await readFile(path));
      continue;
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
    for (const file of files.sort()) parts.push(file.slice(path.length), await readFile(file));
  }
  return keyOf(...parts);
}

/** Whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** What a killed process left half made: we hold the lock, so nobody is at it. */
async function removeStale(target: string): Promise<void> {
  const folder = dirname(target);
  const prefix = target.slice(folder.length + 1);
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${prefix}.`) && /\.part(\.work)?$/.test(name)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
