/** The conditions that the node owns (kubelet pkg/kubelet/status/generate.go). */
import { findCondition, isConditionTrue } from '../../api/conditions.ts';
import { formatTime } from '../../api/meta.ts';
import type { ContainerSpec, ContainerStatusObject, Pod, PodCondition } from '../../api/types.ts';
import { sandboxNeed } from '../plan/sandbox.ts';
import { isSidecar } from '../pod-view.ts';
import type { PodPhase } from './phase.ts';
import type { PodStatusInput } from './types.ts';

/** Set by the node and by nobody else (kubelet pkg/kubelet/types/pod_status.go PodConditionsByKubelet). */
export const OWN_CONDITIONS: readonly string[] = [
  'PodScheduled',
  'Ready',
  'Initialized',
  'ContainersReady',
  'PodReadyToStartContainers',
  'PodResizeInProgress',
  'PodResizePending',
  'AllContainersRestarting',
];

/** Set by the node and by others. */
export const SHARED_CONDITIONS: readonly string[] = ['DisruptionTarget'];

/** Status, and where it is not simply true why. */
type Verdict = { readonly status: 'True' | 'False'; readonly reason?: string; readonly message?: string };

const TRUE: Verdict = { status: 'True' };

/** The whole list: other writers' conditions as the API has them, then the node's own. `statuses`: init and app containers. */
export function podConditions(input: PodStatusInput, statuses: readonly ContainerStatusObject[], phase: PodPhase): PodCondition[] {
  const { pod, previous } = input;
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !OWN_CONDITIONS.includes(type) && !SHARED_CONDITIONS.includes(type));
  const disruption = input.override?.disruption ?? findCondition(previous?.conditions, 'DisruptionTarget');
  const containersReady = containersReadyVerdict(pod, statuses, phase);
  const own: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', readyToStartVerdict(input)],
    ['Initialized', initializedVerdict(pod, statuses, phase)],
    ['Ready', containersReady.status === 'True' ? readinessGatesVerdict(pod, foreign) : containersReady],
    ['ContainersReady', containersReady],
    ['PodScheduled', TRUE],
  ];
  return [
    ...foreign,
    ...(disruption === undefined ? [] : [dated(input, disruption)]),
    ...own.map(([type, verdict]) => dated(input, { type, ...verdict })),
  ];
}

/** Since when it is so: the time of the last change of its status. */
function dated({ pod, previous, now }: PodStatusInput, condition: PodCondition): PodCondition {
  const before = findCondition(previous?.conditions, condition.type);
  const unchanged = before?.status === condition.status ? before.lastTransitionTime : undefined;
  const { generation } = pod.metadata;
  return {
    ...condition,
    lastTransitionTime: unchanged ?? formatTime(now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

function readyToStartVerdict({ pod, observed }: PodStatusInput): Verdict {
  const need = sandboxNeed(pod, observed);
  return need.create ? { status: 'False', reason: 'PodSandboxNotReady', message: need.reason } : TRUE;
}

function containersReadyVerdict(pod: Pod, statuses: readonly ContainerStatusObject[], phase: PodPhase): Verdict {
  const specs = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  const { unknown, failing } = sortOut(specs, statuses, (status) => status.ready);
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const message = describe(unknown, failing, 'unready');
  return message === '' ? TRUE : { status: 'False', reason: 'ContainersNotReady', message };
}

function initializedVerdict(pod: Pod, statuses: readonly ContainerStatusObject[], phase: PodPhase): Verdict {
  const { unknown, failing } = sortOut(pod.spec.initContainers ?? [], statuses, (status, spec) =>
    isSidecar(spec) ? status.started === true : status.ready,
  );
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  const appStarted = statuses.some(
    ({ name, state }) =>
      pod.spec.containers.some((spec) => spec.name === name) && (state?.running !== undefined || state?.terminated !== undefined),
  );
  const message = describe(unknown, failing, 'incomplete');
  return appStarted || message === '' ? TRUE : { status: 'False', reason: 'ContainersNotInitialized', message };
}

function readinessGatesVerdict(pod: Pod, foreign: readonly PodCondition[]): Verdict {
  const messages = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    if (isConditionTrue(foreign, conditionType)) return [];
    const condition = findCondition(foreign, conditionType);
    return condition === undefined
      ? [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
      : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return messages.length === 0 ? TRUE : { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function sortOut(
  specs: readonly ContainerSpec[],
  statuses: readonly ContainerStatusObject[],
  isGood: (status: ContainerStatusObject, spec: ContainerSpec) => boolean,
): { readonly unknown: string[]; readonly failing: string[] } {
  const unknown: string[] = [];
  const failing: string[] = [];
  for (const spec of specs) {
    const status = statuses.find(({ name }) => name === spec.name);
    if (status === undefined) unknown.push(spec.name);
    else if (!isGood(status, spec)) failing.push(spec.name);
  }
  return { unknown, failing };
}

function describe(unknown: readonly string[], failing: readonly string[], word: string): string {
  const parts: string[] = [];
  if (unknown.length > 0) parts.push(`containers with unknown status: [${unknown.join(' ')}]`);
  if (failing.length > 0) parts.push(`containers with ${word} status: [${failing.join(' ')}]`);
  return parts.join(', ');
}
