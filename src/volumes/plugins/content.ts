/** Volumes that the agent writes: config maps, secrets, the downward API and projections of them. */
import path from 'node:path';
import { hasContent, writeAtomically, type Payload } from '../atomic-writer.ts';
import { readableFileError } from '../file-errors.ts';
import { nestedMountpoints } from '../nested-mountpoints.ts';
import type { PluginName } from '../pod-paths.ts';
import type { MountedVolume } from '../types.ts';
import { ensureMemoryDirectory, ensureVolumeDirectory, memorySize } from './directories.ts';
import { applyFsGroup } from './group.ts';
import type { PluginContext, PodVolume, VolumePlugin, VolumeSources } from './plugin.ts';

const MOUNTPOINT_MODE = 0o755;

export interface Content {
  readonly payload: Payload;
  readonly refreshAt?: number;
}

export interface ContentKind {
  readonly plugin: PluginName;
  /** Whether the content may only be in memory. */
  readonly inMemory: boolean;
  collect(volume: PodVolume, signal: AbortSignal): Promise<Content>;
  sources(volume: PodVolume): VolumeSources;
}

export function createContentPlugin(context: PluginContext, kind: ContentKind): VolumePlugin {
  const { files, clock, paths } = context;
  const directoryOf = ({ pod, spec }: PodVolume): string => paths.volume(pod.metadata.uid, kind.plugin, spec.name);
  const mountedAt = ({ spec }: PodVolume, hostPath: string): MountedVolume => ({
    name: spec.name,
    hostPath,
    readOnly: true,
    selinuxRelabel: true,
  });
  return {
    async setUp(volume, signal) {
      const { pod, spec } = volume;
      const { payload, refreshAt } = await kind.collect(volume, signal);
      const directory = directoryOf(volume);
      try {
        if (kind.inMemory) await ensureMemoryDirectory(context, directory, memorySize(context, pod), signal);
        else if ((await files.lstat(directory)) === undefined) await ensureVolumeDirectory(context, directory);
        for (const nested of nestedMountpoints(pod, spec.name)) await files.makeDirectory(path.join(directory, nested), MOUNTPOINT_MODE);
        await writeAtomically(files, directory, payload, clock.now(), () =>
          applyFsGroup(context, pod, directory, { readOnly: true, honourPolicy: false }, signal),
        );
      } catch (error) {
        throw readableFileError(error);
      }
      return { mounted: mountedAt(volume, directory), ...(refreshAt === undefined ? {} : { refreshAt }) };
    },
    live: {
      sources: (volume) => kind.sources(volume),
      async adopt(volume) {
        const directory = directoryOf(volume);
        return (await hasContent(files, directory)) ? mountedAt(volume, directory) : undefined;
      },
    },
  };
}
