import { FailedPreconditionError, errorMessage } from '../lib/errors.ts';
import { readableFileError } from './file-errors.ts';
import type { HostFiles } from './host-files.ts';
import { mountsWithin, type MountPoint } from './mount-info.ts';
import type { Mounter } from './mounter.ts';
import { removeTree } from './remove-tree.ts';

export interface TearDownHost {
  readonly files: HostFiles;
  readonly mounter: Mounter;
}

/**
 * Unmounts everything in the directory, whoever mounted it, newest first, and removes the directory. Success when it is absent.
 * @throws FailedPreconditionError when something stays mounted; nothing has been deleted then
 */
export async function tearDown({ files, mounter }: TearDownHost, directory: string, signal: AbortSignal): Promise<void> {
  const real = await files.realPath(directory);
  if (real === undefined) return;
  const mounted = await mountedIn(mounter, real, signal);
  if (mounted.length > 0) {
    const problem = await unmountAll(mounter, mounted, signal);
    const left = await mountedIn(mounter, real, signal);
    if (left.length > 0) {
      const names = left.map(({ path }) => path).join(', ');
      throw new FailedPreconditionError(`not deleting ${real} because of mounts in it that do not go away: ${names}`, { cause: problem });
    }
  }
  signal.throwIfAborted();
  try {
    await removeTree(files, real);
  } catch (error) {
    throw readableFileError(error);
  }
}

/** Newest first, so that what is mounted over something else goes before it. */
async function mountedIn(mounter: Mounter, directory: string, signal: AbortSignal): Promise<MountPoint[]> {
  return mountsWithin(await mounter.list(signal), directory).reverse();
}

/** Answers why it failed, if it did: what counts is what is mounted afterwards. */
async function unmountAll(mounter: Mounter, mounts: readonly MountPoint[], signal: AbortSignal): Promise<Error | undefined> {
  try {
    await mounter.unmount(
      mounts.map(({ path }) => path),
      signal,
    );
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error : new Error(errorMessage(error));
  }
}
