/** Reading a pod's spec and what is observed of it: the questions that plan and status both ask. */
import { CONTAINER_HASH_ANNOTATION, CONTAINER_RESTART_COUNT_ANNOTATION } from '../api/container-labels.ts';
import { containerHash } from '../api/container-hash.ts';
import type { AnyContainerSpec, ContainerSpec, ContainerStatusObject, Pod, PodStatus } from '../api/types.ts';
import type { ObservedContainer, ObservedPod } from './types.ts';

/** A restartable init container: starts in order with the init containers and then stays. */
export function isSidecar(container: AnyContainerSpec): boolean {
  return container.restartPolicy === 'Always';
}

/** The spec of that name, of whatever kind. */
export function containerSpec(pod: Pod, name: string): AnyContainerSpec | undefined {
  const { initContainers, containers, ephemeralContainers } = pod.spec;
  return [...(initContainers ?? []), ...containers, ...(ephemeralContainers ?? [])].find((container) => container.name === name);
}

/** The newest instance of a container, in whatever sandbox. */
export function latestContainer(observed: ObservedPod | undefined, name: string): ObservedContainer | undefined {
  return observed?.containers.find((container) => container.metadata.name === name);
}

/** The newest instance that has ended. */
export function latestExited(observed: ObservedPod | undefined, name: string): ObservedContainer | undefined {
  return observed?.containers.find((container) => container.metadata.name === name && container.state === 'exited');
}

/** Containers of the newest sandbox, if that is ready (kubelet: ActiveContainerStatuses). */
export function activeContainers(observed: ObservedPod | undefined): readonly ObservedContainer[] {
  const sandbox = observed?.sandboxes[0];
  if (observed === undefined || sandbox?.state !== 'ready') return [];
  return observed.containers.filter((container) => sandboxIdOf(observed, container) === sandbox.id);
}

/** Id of the sandbox a container belongs to; `undefined` when that is not known. */
export function sandboxIdOf(observed: ObservedPod, container: ObservedContainer): string | undefined {
  return container.podSandboxId ?? observed.sandboxes.find((sandbox) => sandbox.createdAt <= container.createdAt)?.id;
}

/** A container of the pod's spec has been created in the present sandbox, so that the init containers are over. */
export function hasActiveAppContainer(pod: Pod, observed: ObservedPod | undefined): boolean {
  const names = new Set(pod.spec.containers.map((container) => container.name));
  return activeContainers(observed).some((container) => names.has(container.metadata.name));
}

/** Any app container was created, in whatever sandbox (kubelet HasAnyRegularContainerCreated). */
export function hasAnyAppContainer(pod: Pod, observed: ObservedPod | undefined): boolean {
  return pod.spec.containers.some((container) => {
    const state = latestContainer(observed, container.name)?.state;
    return state !== undefined && state !== 'unknown';
  });
}

/** How often it had been restarted when this instance was created. */
export function restartCountOf(container: ObservedContainer): number {
  const annotated = Number(container.annotations[CONTAINER_RESTART_COUNT_ANNOTATION]);
  return Number.isInteger(annotated) && annotated >= 0 ? annotated : container.metadata.attempt;
}

/** Its pod asks for another image now. An instance without a hash is taken as it is. */
export function definitionChanged(spec: ContainerSpec, container: ObservedContainer): boolean {
  const hash = container.annotations[CONTAINER_HASH_ANNOTATION];
  return hash !== undefined && hash !== '' && hash !== containerHash(spec);
}

/** What makes a container another one when it changes; `undefined` for a name the spec does not have. */
export function definitionOf(pod: Pod, name: string): string | undefined {
  const spec = containerSpec(pod, name);
  return spec === undefined ? undefined : containerHash(spec);
}

/** May still use CPU: an instance whose state is not known is taken to be alive. */
export function mayRun(container: ObservedContainer): boolean {
  return container.state === 'running' || container.state === 'unknown';
}

/** Status of a container by name in a reported status, of whatever kind. */
export function reportedContainer(status: PodStatus | undefined, name: string): ContainerStatusObject | undefined {
  const lists = [status?.initContainerStatuses, status?.containerStatuses, status?.ephemeralContainerStatuses];
  return lists.flatMap((list) => list ?? []).find((container) => container.name === name);
}

/** How the pod is named in messages (kubelet util/format.Pod). */
export function podText(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}
