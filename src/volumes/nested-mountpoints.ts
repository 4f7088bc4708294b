import path from 'node:path';
import type { Pod } from '../api/types.ts';
import { podContainers } from './pod-volumes.ts';

/**
 * Directories that a read-only volume must have because a container mounts other volumes below it, relative to the volume
 * (kubelet pkg/volume/util/nested_volumes.go). Only the outermost of each: what is below belongs to the volume mounted there.
 */
export function nestedMountpoints(pod: Pod, volumeName: string): readonly string[] {
  const nested = new Set<string>();
  for (const container of podContainers(pod)) {
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath }) => ({ name, mountPath: path.normalize(`/${mountPath}`) }));
    const all = mounts.map(({ mountPath }) => mountPath);
    for (const own of mounts.filter(({ name }) => name === volumeName)) {
      const below = all.filter((mountPath) => isBelow(mountPath, own.mountPath));
      for (const mountPath of below) {
        if (!below.some((other) => isBelow(mountPath, other))) nested.add(path.relative(own.mountPath, mountPath));
      }
    }
  }
  return [...nested];
}

function isBelow(mountPath: string, parent: string): boolean {
  return mountPath !== parent && mountPath.startsWith(parent.endsWith('/') ? parent : `${parent}/`);
}
