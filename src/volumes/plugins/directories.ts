/** The directories and memory file systems that volumes live in. */
import path from 'node:path';
import { bytes } from '../../api/quantity.ts';
import type { Pod } from '../../api/types.ts';
import { POD_DIRECTORY_MODE } from '../pod-paths.ts';
import type { PluginContext } from './plugin.ts';

/** Anybody in a container may use a volume; who gets into the container is decided elsewhere (kubelet: emptydir perm). */
const VOLUME_MODE = 0o777;
/** What would be in memory must not be readable by others on disk. */
const PRIVATE_MODE = 0o700;

/** Creates a volume's directory, mode 0777, with its parents, which only the agent's user and group may enter. */
export async function ensureVolumeDirectory(context: PluginContext, directory: string): Promise<void> {
  await context.files.makeDirectory(path.dirname(directory), POD_DIRECTORY_MODE);
  await context.files.makeDirectory(directory, VOLUME_MODE);
  await context.files.chmod(directory, VOLUME_MODE); // the umask has taken its part of the mode
}

/**
 * The same as a tmpfs of `sizeBytes` (0: the kernel's default). Where the agent may not mount it is a plain directory whose parent
 * nobody else may enter.
 */
export async function ensureMemoryDirectory(
  context: PluginContext,
  directory: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const { files, mounter } = context;
  if (await isMountPoint(context, directory)) return;
  if (await mounter.available(signal)) {
    await ensureVolumeDirectory(context, directory);
    await mounter.tmpfs(directory, sizeBytes, signal);
  } else if ((await files.lstat(directory)) === undefined) {
    await ensureVolumeDirectory(context, directory);
    await files.chmod(path.dirname(directory), PRIVATE_MODE);
    context.noteOnce('volumes that belong in memory are kept in private directories on disk: this process may not mount');
  }
}

/** Of another file system than its parent. Bind mounts of the same file system are not seen by this. */
export async function isMountPoint({ files }: PluginContext, directory: string): Promise<boolean> {
  const stat = await files.lstat(directory);
  const parent = await files.lstat(path.dirname(directory));
  return stat !== undefined && parent !== undefined && stat.device !== parent.device;
}

/**
 * Bytes that a memory volume may hold: the smallest of the node's allocatable memory, the pod's limit and `sizeLimit` (kubelet
 * pkg/volume/emptydir calculateEmptyDirMemorySize). 0 when nothing limits it.
 */
export function memorySize({ node }: PluginContext, pod: Pod, sizeLimit?: string): number {
  const allocatable = node.allocatable()['memory'];
  const limits = [
    allocatable === undefined ? 0 : bytes(allocatable),
    node.podMemoryLimit(pod) ?? 0,
    sizeLimit === undefined ? 0 : bytes(sizeLimit),
  ].filter((limit) => limit > 0);
  return limits.length === 0 ? 0 : Math.min(...limits);
}
