import { formatTime } from '../../api/meta.ts';
import type { ContainerStatusObject, Pod, PodStatus } from '../../api/types.ts';
import { computeQosClass } from '../../resources/qos.ts';
import { hasActiveAppContainer } from '../pod-view.ts';
import { addresses } from './addresses.ts';
import { podConditions } from './conditions.ts';
import { NOT_LOCATED_AT_TERMINATION, vanished } from './container-state.ts';
import { containerStatuses } from './container-statuses.ts';
import { limitMessages } from './message-limit.ts';
import { isTerminalPhase, podPhase, type PodPhase } from './phase.ts';
import { withReadiness } from './readiness.ts';
import type { PodStatusInput } from './types.ts';

/**
 * What the API is told about a pod (kubelet kubelet_pods.go generateAPIPodStatus, status_manager.go mergePodStatus). Pure. Nothing
 * in it goes backwards against `previous`: restart counts, last states, start time, a terminal phase.
 */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, previous } = input;
  const inits = pod.spec.initContainers ?? [];
  const initContainerStatuses = withReadiness(
    input,
    containerStatuses(input, inits, previous?.initContainerStatuses, true),
    inits,
    previous?.initContainerStatuses,
    true,
  );
  const appStatuses = withReadiness(
    input,
    containerStatuses(input, pod.spec.containers, previous?.containerStatuses, false),
    pod.spec.containers,
    previous?.containerStatuses,
    false,
  );
  const ephemeral = containerStatuses(input, pod.spec.ephemeralContainers ?? [], previous?.ephemeralContainerStatuses, false);
  const statuses = [...initContainerStatuses, ...appStatuses];
  const phase = computedPhase(input, statuses);
  return limitMessages({
    ...head(input, phase),
    conditions: podConditions(input, statuses, phase),
    ...addresses(input),
    qosClass: previous?.qosClass ?? computeQosClass(pod),
    startTime: previous?.startTime ?? formatTime(input.now),
    ...observedGeneration(pod),
    ...(inits.length === 0 ? {} : { initContainerStatuses }),
    containerStatuses: appStatuses,
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
  });
}

/** The status of a pod that this node refuses to run (kubelet kubelet.go rejectPod). */
export function rejectedStatus(pod: Pod, reason: string, message: string, now: number): PodStatus {
  return {
    phase: 'Failed',
    reason,
    message: `Pod was rejected: ${message}`,
    qosClass: pod.status?.qosClass ?? computeQosClass(pod),
    startTime: pod.status?.startTime ?? formatTime(now),
    ...(pod.status?.conditions === undefined ? {} : { conditions: pod.status.conditions }),
    ...observedGeneration(pod),
  };
}

/**
 * The last status of a pod of which nothing is left: every container has ended, how ever it did, and the phase is terminal unless
 * the pod is static (kubelet status_manager.go TerminatePod).
 */
export function finalStatus(pod: Pod, status: PodStatus, isStatic: boolean): PodStatus {
  const inits = status.initContainerStatuses ?? [];
  const lastStarted = inits.findLastIndex(({ state, lastState }) => state?.waiting === undefined || lastState?.terminated !== undefined);
  const ended = (container: ContainerStatusObject): ContainerStatusObject =>
    container.state?.terminated !== undefined
      ? container
      : { ...container, ready: false, started: false, state: { terminated: vanished(NOT_LOCATED_AT_TERMINATION) } };
  const apps = status.containerStatuses ?? [];
  return {
    ...status,
    ...(isStatic || isTerminalPhase(status.phase) ? {} : { phase: 'Failed' }),
    ...(inits.length === 0
      ? {}
      : { initContainerStatuses: inits.map((init, index) => (index <= Math.max(lastStarted, 0) ? ended(init) : init)) }),
    ...(apps.length === 0 ? {} : { containerStatuses: wasInitialized(pod, status) ? apps.map(ended) : apps }),
  };
}

/** Whether there is a trace of an app container having been started, or of the last init container having done its work. */
function wasInitialized(pod: Pod, status: PodStatus): boolean {
  if ((pod.spec.initContainers ?? []).length === 0) return true;
  const started = ({ state, lastState }: ContainerStatusObject): boolean =>
    lastState?.terminated !== undefined || (state !== undefined && state.waiting === undefined);
  if ((status.containerStatuses ?? []).some(started)) return true;
  const last = status.initContainerStatuses?.at(-1);
  return last?.started === true || last?.state?.terminated?.exitCode === 0 || last?.lastState?.terminated?.exitCode === 0;
}

function computedPhase(input: PodStatusInput, statuses: readonly ContainerStatusObject[]): PodPhase {
  const { pod, previous, observed, terminal, isStatic, override } = input;
  // What the API shows as ended stays ended.
  for (const phase of [pod.status?.phase, previous?.phase]) if (phase === 'Succeeded' || phase === 'Failed') return phase;
  if (override !== undefined) return override.phase;
  return podPhase({ pod, statuses, terminal: terminal && !isStatic, initialized: hasActiveAppContainer(pod, observed) });
}

/** Phase with its reason and message. While something may still run, the phase that releases the pod's resources has to wait. */
function head(input: PodStatusInput, computed: PodPhase): Pick<PodStatus, 'phase' | 'reason' | 'message'> {
  const { pod, previous, terminal, override } = input;
  const held = isTerminalPhase(computed) && !terminal && !isTerminalPhase(previous?.phase) && !isTerminalPhase(pod.status?.phase);
  const phase = held ? (previous?.phase ?? 'Pending') : computed;
  if (override !== undefined && !held && phase === override.phase && !isTerminalPhase(pod.status?.phase)) {
    return { phase, reason: override.reason, message: override.message };
  }
  const same = phase === previous?.phase;
  const reason = same ? (previous.reason ?? pod.status?.reason) : undefined;
  const message = same ? (previous.message ?? pod.status?.message) : undefined;
  return { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

function observedGeneration(pod: Pod): Pick<PodStatus, 'observedGeneration'> {
  const { generation } = pod.metadata;
  return generation === undefined ? {} : { observedGeneration: Math.max(generation, pod.status?.observedGeneration ?? 0) };
}
