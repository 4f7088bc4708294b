import path from 'node:path';
import { podReference } from '../../api/object-reference.ts';
import type { Pod } from '../../api/types.ts';
import { InvalidInputError } from '../../lib/errors.ts';
import { readableFileError } from '../file-errors.ts';
import { mountsWithin } from '../mount-info.ts';
import { POD_DIRECTORY_MODE } from '../pod-paths.ts';
import { applyFsGroup } from './group.ts';
import type { BoundVolume, PersistentVolumePlugin, PluginContext } from './plugin.ts';

const PLUGIN = 'kubernetes.io/local-volume';

/** Directories of the node as persistent volumes (kubelet pkg/volume/local), bound into the pod's directory. */
export function createLocalVolumePlugin(context: PluginContext): PersistentVolumePlugin {
  const { files, mounter, paths } = context;

  async function sourceDirectory(bound: BoundVolume): Promise<string> {
    const source = bound.volume.spec?.local?.path ?? '';
    if (source === '') throw new Error(`LocalVolume volume "${bound.volumeName}" path is empty`);
    if (source.split('/').includes('..')) throw new InvalidInputError(`invalid path: ${source} must not contain '..'`);
    const stat = await files.stat(source);
    if (stat === undefined) throw new Error(`path "${source}" does not exist`);
    if (stat.type === 'block') throw new Error(`"${source}" is a block device: only directories are supported as local volumes`);
    if (stat.type !== 'directory') throw new Error('only directory and block device are supported');
    return source;
  }

  /** Binds unless it is bound already; answers whether this pod is the first to use the volume. */
  async function bind(source: string, target: string, bound: BoundVolume, signal: AbortSignal): Promise<boolean> {
    await files.makeDirectory(path.dirname(target), POD_DIRECTORY_MODE);
    await files.makeDirectory(target, POD_DIRECTORY_MODE);
    const real = (await files.realPath(target)) ?? target;
    const mounts = await mounter.list(signal);
    if (mountsWithin(mounts, real).some((mount) => mount.path === real)) return false;
    const suffix = path.join(path.basename(path.dirname(real)), bound.volumeName);
    const first = !mounts.some((mount) => mount.path.endsWith(`/${suffix}`));
    await mounter.bind(source, target, { readOnly: bound.readOnly, options: bound.volume.spec?.mountOptions ?? [] }, signal);
    return first;
  }

  async function warnOfOtherGroup(pod: Pod, source: string, bound: BoundVolume): Promise<void> {
    const wanted = pod.spec.securityContext?.fsGroup;
    const present = (await files.stat(source))?.gid;
    if (wanted === undefined || present === undefined || wanted === present) return;
    const message = `The requested fsGroup is ${wanted}, but the volume ${bound.volumeName} has GID ${present}. The volume may not be shareable.`;
    context.events.event(podReference(pod), 'Warning', 'AlreadyMountedVolume', message);
  }

  return {
    supportsMountOptions: true,
    async setUp(pod, bound, signal) {
      const source = await sourceDirectory(bound);
      const mounted = { name: bound.name, readOnly: bound.readOnly, selinuxRelabel: !bound.readOnly };
      if (!(await mounter.available(signal))) {
        context.noteOnce('local volumes are given to containers by their path on the host: this process may not mount');
        return { mounted: { ...mounted, hostPath: source } };
      }
      const target = paths.volume(pod.metadata.uid, PLUGIN, bound.volumeName);
      try {
        const first = await bind(source, target, bound, signal);
        if (!first) await warnOfOtherGroup(pod, source, bound);
        else if (!bound.readOnly) await applyFsGroup(context, pod, target, { readOnly: false, honourPolicy: true }, signal);
      } catch (error) {
        throw readableFileError(error);
      }
      return { mounted: { ...mounted, hostPath: target } };
    },
  };
}
