import path from 'node:path';
import { FailedPreconditionError } from '../lib/errors.ts';
import type { HostFiles } from './host-files.ts';

/** Files of one directory removed at a time: a few more than the threads that Node has for it. */
const BATCH = 16;

/**
 * Removes a file, or a directory with all below it, without following symlinks and without leaving the file system that it
 * starts on. Success when absent. Mounts from the same file system cannot be told by this: check mountinfo first.
 * @throws FailedPreconditionError at a directory of another file system, which is left alone
 */
export async function removeTree(files: HostFiles, root: string): Promise<void> {
  const stat = await files.lstat(root);
  if (stat?.type === 'directory') await removeDirectory(files, root, stat.device);
  else await files.removeFile(root);
}

async function removeDirectory(files: HostFiles, directory: string, device: number): Promise<void> {
  if ((await files.lstat(directory))?.device !== device) {
    throw new FailedPreconditionError(`cannot delete directory ${directory}: it is a mount point`);
  }
  const entries = await files.list(directory);
  const plain = entries.filter(({ isDirectory }) => !isDirectory);
  for (let start = 0; start < plain.length; start += BATCH) {
    await Promise.all(plain.slice(start, start + BATCH).map(({ name }) => files.removeFile(path.join(directory, name))));
  }
  for (const { name, isDirectory } of entries) {
    if (isDirectory) await removeDirectory(files, path.join(directory, name), device);
  }
  await files.removeDirectory(directory);
}
