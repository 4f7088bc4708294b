/** One container as the runtime has it, in the API's words (kubelet kubelet_pods.go convertContainerStatus). */
import { formatTime } from '../../api/meta.ts';
import type { AnyContainerSpec, ContainerStateStatus, ContainerStatusObject } from '../../api/types.ts';
import { restartCountOf } from '../pod-view.ts';
import type { ObservedContainer } from '../types.ts';
import type { PodStatusInput } from './types.ts';

export type TerminatedState = NonNullable<ContainerStateStatus['terminated']>;

/** What a container is taken to have ended with when nobody saw its end (kubelet: ContainerReasonStatusUnknown). */
export function vanished(message: string): TerminatedState {
  return { exitCode: 137, reason: 'ContainerStatusUnknown', message };
}

export const NOT_LOCATED_AT_TERMINATION = 'The container could not be located when the pod was terminated';

/** The status of an instance; `old`: the last status that was reported for a container of this name. */
export function instanceStatus(
  input: PodStatusInput,
  spec: AnyContainerSpec,
  container: ObservedContainer,
  old: ContainerStatusObject | undefined,
): ContainerStatusObject {
  const containerID = `${input.runtimeName}://${container.id}`;
  const state = instanceState(input, container, containerID, old);
  const lastState = lastStateOf(old, containerID);
  return {
    name: spec.name,
    image: container.image.userSpecifiedImage ?? container.image.image,
    imageID: container.imageRef,
    containerID,
    ready: false,
    restartCount: restartCount(container, state, old),
    state,
    lastState: lastState === undefined ? {} : { terminated: lastState },
    ...volumeMounts(input, spec),
    resources: spec.resources ?? {},
    ...(spec.resources?.requests === undefined ? {} : { allocatedResources: spec.resources.requests }),
    ...(container.user === undefined ? {} : { user: { linux: linuxUser(container.user) } }),
    ...(container.stopSignal === undefined ? {} : { stopSignal: container.stopSignal }),
  };
}

/** The mounts as asked for; read-only ones say whether what is mounted below them is read-only too. */
export function volumeMounts(input: PodStatusInput, spec: AnyContainerSpec): Pick<ContainerStatusObject, 'volumeMounts'> {
  const mounts = spec.volumeMounts ?? [];
  if (mounts.length === 0) return {};
  return {
    volumeMounts: mounts.map(({ name, mountPath, readOnly, recursiveReadOnly }) => ({
      name,
      mountPath,
      ...(readOnly === true
        ? {
            readOnly,
            recursiveReadOnly:
              input.supportsRecursiveReadOnly && (recursiveReadOnly === 'Enabled' || recursiveReadOnly === 'IfPossible')
                ? 'Enabled'
                : 'Disabled',
          }
        : {}),
    })),
  };
}

function instanceState(
  input: PodStatusInput,
  container: ObservedContainer,
  containerID: string,
  old: ContainerStatusObject | undefined,
): ContainerStateStatus {
  switch (container.state) {
    case 'running':
      return { running: { startedAt: time(container.startedAt) } };
    case 'exited':
      return { terminated: terminatedState(input, container, containerID) };
    case 'unknown':
      return old?.state?.running === undefined ? { waiting: {} } : { terminated: vanished(NOT_LOCATED_AT_TERMINATION) };
    case 'created':
      return { waiting: {} };
  }
}

function terminatedState(input: PodStatusInput, container: ObservedContainer, containerID: string): TerminatedState {
  const message = input.terminationMessages.get(container.id) ?? container.message;
  return {
    exitCode: container.exitCode,
    reason: container.reason !== '' ? container.reason : container.exitCode === 0 ? 'Completed' : 'Error',
    ...(message === '' ? {} : { message }),
    ...(container.startedAt === 0n ? {} : { startedAt: time(container.startedAt) }),
    ...(container.finishedAt === 0n ? {} : { finishedAt: time(container.finishedAt) }),
    containerID,
  };
}

/** The last end that was reported goes on being the last one, also when the runtime has forgotten it. */
function lastStateOf(old: ContainerStatusObject | undefined, containerID: string): TerminatedState | undefined {
  const ended = old?.state?.terminated;
  return old?.containerID !== containerID && ended !== undefined ? ended : old?.lastState?.terminated;
}

/** Never less than what was reported; one more for an instance after an end whose count the runtime has lost. */
function restartCount(container: ObservedContainer, state: ContainerStateStatus, old: ContainerStatusObject | undefined): number {
  const observed = restartCountOf(container);
  if (old === undefined) return observed;
  const lostCount = state.running !== undefined && old.state?.terminated !== undefined && old.restartCount >= observed;
  const lostEnd = container.state === 'unknown' && old.state?.running !== undefined;
  return lostCount || lostEnd ? old.restartCount + 1 : Math.max(observed, old.restartCount);
}

function linuxUser(user: NonNullable<ObservedContainer['user']>): { uid: number; gid: number; supplementalGroups?: number[] } {
  const { uid, gid, supplementalGroups } = user;
  return { uid, gid, ...(supplementalGroups.length === 0 ? {} : { supplementalGroups: [...supplementalGroups] }) };
}

function time(nanoseconds: bigint): string {
  return formatTime(Number(nanoseconds / 1_000_000n));
}
