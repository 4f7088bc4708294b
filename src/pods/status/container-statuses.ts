/** Statuses of all containers of a kind (kubelet kubelet_pods.go convertToAPIContainerStatuses). */
import type { AnyContainerSpec, ContainerStatusObject } from '../../api/types.ts';
import { hasAnyAppContainer, isSidecar, latestContainer } from '../pod-view.ts';
import { shouldStart } from '../restart-policy.ts';
import { instanceStatus, vanished, volumeMounts } from './container-state.ts';
import type { PodStatusInput } from './types.ts';

/** In the order of the spec for init containers, by name for the others. */
export function containerStatuses(
  input: PodStatusInput,
  specs: readonly AnyContainerSpec[],
  previous: readonly ContainerStatusObject[] | undefined,
  isInit: boolean,
): ContainerStatusObject[] {
  const statuses = specs.map((spec) => {
    const old = previous?.find(({ name }) => name === spec.name);
    return withStartFailure(input, spec, withoutRuntimeFacts(input, spec, old) ?? observedStatus(input, spec, old), isInit);
  });
  return isInit ? statuses : statuses.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** For a container of which the runtime has nothing; `undefined` when it has. */
function withoutRuntimeFacts(
  input: PodStatusInput,
  spec: AnyContainerSpec,
  old: ContainerStatusObject | undefined,
): ContainerStatusObject | undefined {
  if (latestContainer(input.observed, spec.name) !== undefined) return undefined;
  if (old?.state?.terminated !== undefined) return { ...old, ready: false };
  const status: ContainerStatusObject = {
    name: spec.name,
    image: spec.image ?? '',
    imageID: '',
    ready: false,
    restartCount: old?.restartCount ?? 0,
    state: { waiting: { reason: (input.pod.spec.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating' } },
    lastState: old?.lastState ?? {},
    ...volumeMounts(input, spec),
  };
  if (old?.state?.running === undefined || status.lastState?.terminated !== undefined) return status;
  // It was running when last seen, so it has ended, whoever took it away: without this the pod would fall back to Pending.
  const lastState = {
    terminated: vanished('The container could not be located when the pod was deleted.  The container used to be Running'),
  };
  const restarted = input.pod.metadata.deletionTimestamp === undefined ? 1 : 0;
  return { ...status, lastState, restartCount: status.restartCount + restarted };
}

function observedStatus(input: PodStatusInput, spec: AnyContainerSpec, old: ContainerStatusObject | undefined): ContainerStatusObject {
  const [newest, before] = (input.observed?.containers ?? []).filter(({ metadata }) => metadata.name === spec.name);
  if (newest === undefined) throw new Error(`nothing is observed of container ${spec.name}`);
  const status = instanceStatus(input, spec, newest, old);
  if (before === undefined) return status;
  return { ...status, lastState: instanceStatus(input, spec, before, old).state ?? {} };
}

/** A container that is to start and cannot yet is waiting, and what it ended with is its last state. */
function withStartFailure(
  input: PodStatusInput,
  spec: AnyContainerSpec,
  status: ContainerStatusObject,
  isInit: boolean,
): ContainerStatusObject {
  const { pod, observed } = input;
  const latest = latestContainer(observed, spec.name);
  if (isInit) {
    if (latest?.state === 'exited' && latest.exitCode === 0) return status;
    const isOver = latest === undefined && !isSidecar(spec) && hasAnyAppContainer(pod, observed);
    if (isOver && status.state?.waiting !== undefined) return { ...status, state: { terminated: inferredCompletion } };
    if (isOver) return status;
  }
  const waiting = input.waiting.get(spec.name);
  if (waiting === undefined || !shouldStart(pod, spec, observed)) return status;
  const ended = status.state?.terminated;
  return { ...status, state: { waiting: { ...waiting } }, ...(ended === undefined ? {} : { lastState: { terminated: ended } }) };
}

const inferredCompletion = {
  exitCode: 0,
  reason: 'Completed',
  message: 'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally',
};
