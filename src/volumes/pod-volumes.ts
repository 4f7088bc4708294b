/** Questions about the pod's spec. */
import type { AnyContainerSpec, Pod, VolumeSpec } from '../api/types.ts';

/** Init, app and ephemeral containers. */
export function podContainers(pod: Pod): readonly AnyContainerSpec[] {
  const { initContainers, containers, ephemeralContainers } = pod.spec;
  return [...(initContainers ?? []), ...containers, ...(ephemeralContainers ?? [])];
}

/**
 * The volumes that are set up: those that a container uses, and all image volumes (kubelet: the volume manager leaves unused
 * volumes out, the runtime manager pulls every image).
 */
export function volumesInUse(pod: Pod): readonly VolumeSpec[] {
  const used = new Set(
    podContainers(pod).flatMap(({ volumeMounts, volumeDevices }) =>
      [...(volumeMounts ?? []), ...(volumeDevices ?? [])].map(({ name }) => name),
    ),
  );
  return (pod.spec.volumes ?? []).filter(({ name, image }) => used.has(name) || image !== undefined);
}

export function isUsedAsDevice(pod: Pod, volumeName: string): boolean {
  return podContainers(pod).some(({ volumeDevices }) => (volumeDevices ?? []).some(({ name }) => name === volumeName));
}

/**
 * The user that all containers of the pod run as; `undefined` when one does not say or they differ (kubelet pkg/volume/util
 * FsUserFrom). Tokens belong to this user and to nobody else.
 */
export function commonUser(pod: Pod): number | undefined {
  const users = podContainers(pod).map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser);
  return users.every((user) => user === users[0]) ? users[0] : undefined;
}
