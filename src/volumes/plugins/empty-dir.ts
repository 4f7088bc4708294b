import path from 'node:path';
import type { Pod } from '../../api/types.ts';
import { InvalidInputError } from '../../lib/errors.ts';
import { readableFileError } from '../file-errors.ts';
import { hugePageSize } from '../huge-pages.ts';
import { POD_DIRECTORY_MODE } from '../pod-paths.ts';
import { removeTree } from '../remove-tree.ts';
import { ensureMemoryDirectory, ensureVolumeDirectory, isMountPoint, memorySize } from './directories.ts';
import { applyFsGroup } from './group.ts';
import type { PluginContext, PodVolume, VolumePlugin } from './plugin.ts';

const PLUGIN = 'kubernetes.io/empty-dir';
const MARKER_MODE = 0o640;

/**
 * kubelet pkg/volume/emptydir. A marker beside the volume says that it is complete: from then on its owners and modes are the
 * containers' business, also after a restart of the agent. Size limits of volumes on disk are for eviction to enforce.
 */
export function createEmptyDirPlugin(context: PluginContext): VolumePlugin {
  const { files, mounter, paths } = context;

  async function isComplete(directory: string, marker: string, medium: string, signal: AbortSignal): Promise<boolean> {
    if ((await files.lstat(marker)) === undefined || (await files.lstat(directory)) === undefined) return false;
    // Memory is lost when the machine restarts; its directory and marker are not.
    return medium === '' || (await isMountPoint(context, directory)) || !(await mounter.available(signal));
  }

  async function setUpMedium({ pod, spec }: PodVolume, directory: string, signal: AbortSignal): Promise<void> {
    const { medium = '', sizeLimit } = spec.emptyDir ?? {};
    if (medium === '') return ensureVolumeDirectory(context, directory);
    if (medium === 'Memory') return ensureMemoryDirectory(context, directory, memorySize(context, pod, sizeLimit), signal);
    if (medium.startsWith('HugePages')) return ensureHugePages(context, pod, directory, medium, signal);
    throw new InvalidInputError(`unknown storage medium "${medium}"`);
  }

  return {
    async setUp(volume, signal) {
      const { pod, spec } = volume;
      const directory = paths.volume(pod.metadata.uid, PLUGIN, spec.name);
      const marker = path.join(paths.meta(pod.metadata.uid, PLUGIN, spec.name), 'ready');
      const mounted = { name: spec.name, hostPath: directory, readOnly: false, selinuxRelabel: true };
      try {
        if (await isComplete(directory, marker, spec.emptyDir?.medium ?? '', signal)) return { mounted };
        await removeTree(files, marker);
        await setUpMedium(volume, directory, signal);
        await applyFsGroup(context, pod, directory, { readOnly: false, honourPolicy: false }, signal);
        await files.makeDirectory(path.dirname(marker), POD_DIRECTORY_MODE);
        await files.createFile(marker, MARKER_MODE);
        return { mounted };
      } catch (error) {
        throw readableFileError(error);
      }
    },
  };
}

async function ensureHugePages(context: PluginContext, pod: Pod, directory: string, medium: string, signal: AbortSignal): Promise<void> {
  const pageSize = hugePageSize(pod, medium);
  if (await isMountPoint(context, directory)) return;
  await ensureVolumeDirectory(context, directory);
  await context.mounter.hugePages(directory, pageSize, signal);
}
