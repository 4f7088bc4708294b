import { constants } from 'node:fs';
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { NotFoundError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';

/** Rotated files that are looked through for the one that was being read: more than any engine keeps. */
const MAX_ROTATED = 1000;

/** The file behind the path that the runtime tells. @throws NotFoundError */
export async function resolveLogPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isMissing(error)) throw new NotFoundError(`there is no log file ${quote(path)}`, { cause: error });
    throw error;
  }
}

/** `undefined`: absent. */
export async function openLog(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Files that were begun after the one of that inode, in the order in which they were: `path.2`, `path.1`, `path`. Empty while the
 * file is still the one at `path`, and when there is no file there.
 */
export async function successors(path: string, inode: number): Promise<string[]> {
  const current = await inodeOf(path);
  if (current === undefined || current === inode) return [];
  const begun = [path];
  for (let index = 1; index <= MAX_ROTATED; index += 1) {
    const rotated = `${path}.${index}`;
    const found = await inodeOf(rotated);
    if (found === inode) return begun;
    if (found === undefined) break;
    begun.unshift(rotated);
  }
  return [path]; // it is gone: what came between is not to be told from what came before
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
