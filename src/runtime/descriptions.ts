/** How pods are named in messages (kubelet pkg/kubelet/util/format/pod.go). */
import type { AnyContainerSpec, Pod } from '../api/types.ts';

/** `name_namespace(uid)` */
export function podDescription({ metadata }: Pod): string {
  return `${metadata.name}_${metadata.namespace}(${metadata.uid})`;
}

/** The init, app or ephemeral container of that name. */
export function findContainerSpec(pod: Pod, name: string): AnyContainerSpec | undefined {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  return [...containers, ...initContainers, ...ephemeralContainers].find((container) => container.name === name);
}

/** A sidecar: an init container that keeps running (`restartPolicy: Always`). */
export function isRestartableInitContainer(container: AnyContainerSpec): boolean {
  return container.restartPolicy === 'Always';
}
