/** A directory or file below a volume, safe against whatever a container does to the volume meanwhile (kubelet pkg/volume/util/subpath). */
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';
import type { HostFiles, PinnedFile } from './host-files.ts';
import { mountsWithin } from './mount-info.ts';
import type { Mounter } from './mounter.ts';
import { POD_DIRECTORY_MODE } from './pod-paths.ts';

const TARGET_FILE_MODE = 0o640;

export interface SubPathHost {
  readonly files: HostFiles;
  readonly mounter: Mounter;
}

/** @throws InvalidInputError (kubelet pkg/kubelet/kubelet_pods.go makeMounts) */
export function checkSubPath(subPath: string): void {
  if (path.isAbsolute(subPath)) throw new InvalidInputError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) {
    throw new InvalidInputError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
}

/**
 * Creates the sub-path's directories where they are missing, with the mode of the volume. Does nothing when it exists.
 * @throws Error when it would lie outside the volume
 */
export async function makeSubPath(files: HostFiles, volumePath: string, subPath: string): Promise<void> {
  if ((await files.stat(path.join(volumePath, subPath))) !== undefined) return;
  const base = await realBase(files, volumePath);
  const mode = (await files.stat(base))?.mode ?? POD_DIRECTORY_MODE;
  const { existing, missing } = await existingPrefix(files, base, subPath);
  let current = await pinBelow(files, base, existing);
  try {
    for (const name of missing) {
      const made = path.join(current.path, name);
      await files.makeDirectory(made, mode);
      const next = await pinDirectory(files, made);
      await current.close();
      current = next;
      await files.chmod(current.path, mode); // the umask has taken its part of the mode
    }
  } finally {
    await current.close();
  }
}

/**
 * Binds what the sub-path leads to now at `target`, so that what a container changes later cannot redirect it, and answers
 * `target`. What is bound there already is kept; something else is detached first.
 * @throws Error when it leads outside the volume
 */
export async function bindSubPath(
  { files, mounter }: SubPathHost,
  volumePath: string,
  subPath: string,
  target: string,
  signal: AbortSignal,
): Promise<string> {
  const base = await realBase(files, volumePath);
  const pinned = await pinBelow(files, base, await resolveWithin(files, base, path.join(base, subPath)));
  try {
    const wanted = await pinned.stat();
    const present = await files.lstat(target);
    if (present?.device === wanted.device && present.inode === wanted.inode) return target;
    if (present !== undefined) await clearTarget({ files, mounter }, target, signal);
    await files.makeDirectory(path.dirname(target), POD_DIRECTORY_MODE);
    // A file will do for everything else: binding makes it a socket or device.
    if (wanted.type === 'directory') await files.makeDirectory(target, POD_DIRECTORY_MODE);
    else await files.createFile(target, TARGET_FILE_MODE);
    await mounter.bind(pinned.pathForChildren, target, { noCanonicalize: true }, signal);
    return target;
  } finally {
    await pinned.close();
  }
}

/** Where nothing can be mounted: the path that the sub-path leads to now, inside the volume when asked. */
export async function plainSubPath(files: HostFiles, volumePath: string, subPath: string): Promise<string> {
  const base = await realBase(files, volumePath);
  return path.join(base, await resolveWithin(files, base, path.join(base, subPath)));
}

async function clearTarget({ files, mounter }: SubPathHost, target: string, signal: AbortSignal): Promise<void> {
  const real = (await files.realPath(target)) ?? target;
  const mounts = mountsWithin(await mounter.list(signal), real).filter(({ path: mounted }) => mounted === real);
  // Lazily: a container that still runs, or a dead server, must not keep the pod from its volume.
  // Not unmounted: a container that still runs, or a dead server, must not keep the pod from its volume.
  for (const { path: mounted } of mounts) await mounter.detach(mounted, signal);
  const left = await files.lstat(target);
  if (left?.type === 'directory') await files.removeDirectory(target);
  else await files.removeFile(target);
}

async function realBase(files: HostFiles, volumePath: string): Promise<string> {
  const base = await files.realPath(volumePath);
  if (base === undefined) throw new Error(`volume path ${volumePath} does not exist`);
  return base;
}

/** The path without symlinks, relative to `base`. */
async function resolveWithin(files: HostFiles, base: string, target: string): Promise<string> {
  const real = await files.realPath(target);
  if (real === undefined) throw new Error(`${target} does not exist`);
  const relative = path.relative(base, real);
  if (relative === '..' || relative.startsWith('../')) throw new Error(`${real} is outside of volume path ${base}`);
  return relative;
}

/** Splits at the first element that does not exist; `existing` is free of symlinks and relative to `base`. */
async function existingPrefix(
  files: HostFiles,
  base: string,
  subPath: string,
): Promise<{ readonly existing: string; readonly missing: readonly string[] }> {
  const elements = path
    .normalize(subPath)
    .split('/')
    .filter((element) => element !== '' && element !== '.');
  let count = 0;
  while (count < elements.length && (await files.stat(path.join(base, ...elements.slice(0, count + 1)))) !== undefined) count += 1;
  return {
    existing: await resolveWithin(files, base, path.join(base, ...elements.slice(0, count))),
    missing: elements.slice(count),
  };
}

/** Walks from `base` one element at a time, refusing symlinks: none was there a moment ago. The caller closes the result. */
async function pinBelow(files: HostFiles, base: string, relative: string): Promise<PinnedFile> {
  let current = await pinDirectory(files, base);
  for (const element of relative.split('/').filter((part) => part !== '')) {
    try {
      const next = await files.pin(path.join(current.path, element));
      await current.close();
      current = next;
      if ((await current.stat()).type === 'symlink') throw new Error(`unexpected symlink ${element} on the way to ${relative} in ${base}`);
    } catch (error) {
      await current.close();
      throw error;
    }
  }
  return current;
}

async function pinDirectory(files: HostFiles, directory: string): Promise<PinnedFile> {
  const pinned = await files.pin(directory);
  if ((await pinned.stat()).type === 'directory') return pinned;
  await pinned.close();
  throw new Error(`${directory} is not a directory`);
}
