/** The pod's phase from its containers' statuses (kubelet kubelet_pods.go getPhase). */
import type { ContainerSpec, ContainerStatusObject, Pod } from '../../api/types.ts';
import { isSidecar } from '../pod-view.ts';
import { restartsAfter } from '../restart-policy.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export interface PhaseInput {
  readonly pod: Pod;
  /** Init and app containers. */
  readonly statuses: readonly ContainerStatusObject[];
  /** Its containers will not start again, and their end is its end (not so for static pods). */
  readonly terminal: boolean;
  /** An app container has been created in the present sandbox. */
  readonly initialized: boolean;
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

export function podPhase({ pod, statuses, terminal, initialized }: PhaseInput): PodPhase {
  const find = (spec: ContainerSpec): ContainerStatusObject | undefined => statuses.find(({ name }) => name === spec.name);
  const inits = pod.spec.initContainers ?? [];
  const init = countInits(
    pod,
    inits.filter((spec) => !isSidecar(spec)),
    find,
  );
  if (init.failedForGood > 0) return 'Failed';
  const sidecars = countSidecars(inits.filter(isSidecar), find);
  const apps = countApps(pod, find);
  const running = sidecars.running + apps.running;
  const unknown = sidecars.unknown + apps.unknown;
  if (init.pending > 0 || (sidecars.pending > 0 && !initialized) || sidecars.waiting + apps.waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (running > 0 || apps.stopped === 0 || unknown > 0) return 'Pending';
  if (!terminal && apps.stopped !== apps.stoppedForGood) return 'Running';
  return apps.stopped === apps.succeeded ? 'Succeeded' : 'Failed';
}

type Find = (spec: ContainerSpec) => ContainerStatusObject | undefined;

function countInits(pod: Pod, specs: readonly ContainerSpec[], find: Find): { pending: number; failedForGood: number } {
  const count = { pending: 0, failedForGood: 0 };
  for (const spec of specs) {
    const status = find(spec);
    const ended = status?.state?.terminated ?? (status?.state?.waiting === undefined ? undefined : status.lastState?.terminated);
    if (ended === undefined) count.pending += 1;
    else if (ended.exitCode !== 0 && !restartsAfter(pod, spec, ended.exitCode)) count.failedForGood += 1;
  }
  return count;
}

/** Ended sidecars count for nothing. */
function countSidecars(
  specs: readonly ContainerSpec[],
  find: Find,
): { pending: number; running: number; waiting: number; unknown: number } {
  const count = { pending: 0, running: 0, waiting: 0, unknown: 0 };
  for (const spec of specs) {
    const status = find(spec);
    if (status?.state?.running !== undefined) {
      count.running += 1;
      if (status.started !== true) count.pending += 1;
    } else if (status?.state?.waiting !== undefined) {
      if (status.lastState?.terminated !== undefined) continue;
      count.waiting += 1;
      count.pending += 1;
    } else if (status?.state?.terminated === undefined) {
      count.unknown += 1;
      if (status !== undefined) count.pending += 1;
    }
  }
  return count;
}

function countApps(
  pod: Pod,
  find: Find,
): { running: number; waiting: number; unknown: number; stopped: number; stoppedForGood: number; succeeded: number } {
  const count = { running: 0, waiting: 0, unknown: 0, stopped: 0, stoppedForGood: 0, succeeded: 0 };
  for (const spec of pod.spec.containers) {
    const status = find(spec);
    const terminated = status?.state?.terminated;
    const ended = terminated ?? (status?.state?.waiting === undefined ? undefined : status.lastState?.terminated);
    if (status?.state?.running !== undefined) count.running += 1;
    else if (ended !== undefined) {
      count.stopped += 1;
      if (!restartsAfter(pod, spec, ended.exitCode)) count.stoppedForGood += 1;
      if (terminated?.exitCode === 0) count.succeeded += 1;
    } else if (status?.state?.waiting !== undefined) count.waiting += 1;
    else count.unknown += 1;
  }
  return count;
}
