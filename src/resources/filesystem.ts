import { statfs } from 'node:fs/promises';

/** A file system as a whole; sizes in bytes. */
export interface FilesystemFacts {
  readonly capacityBytes: number;
  /** What an unprivileged process could still write, as `df` counts. */
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

/** The file system that holds `directory`. @throws Error when the directory does not exist */
export async function readFilesystem(directory: string): Promise<FilesystemFacts> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(directory);
  return { capacityBytes: bsize * blocks, availableBytes: bsize * bavail, inodes: files, inodesFree: ffree };
}
