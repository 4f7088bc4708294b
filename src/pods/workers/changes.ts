/** What a change of a pod's object means for its worker. */
import { isDeepStrictEqual } from 'node:util';
import type { Pod, PodCondition } from '../../api/types.ts';
import { definitionOf } from '../pod-view.ts';
import { OWN_CONDITIONS } from '../status/conditions.ts';
import { isTerminalPhase } from '../status/phase.ts';
import { endOf, isEarlier } from './lifecycle.ts';
import type { WorkerMemory, WorkerState } from './worker-state.ts';

/** Nothing has changed but what the node itself writes: its own status comes back from the API after each report. */
export function sameForWorker(before: Pod, after: Pod): boolean {
  const [a, b] = [before.metadata, after.metadata];
  return (
    a.generation === b.generation &&
    a.deletionTimestamp === b.deletionTimestamp &&
    a.deletionGracePeriodSeconds === b.deletionGracePeriodSeconds &&
    isDeepStrictEqual(a.labels, b.labels) &&
    isDeepStrictEqual(a.annotations, b.annotations) &&
    (a.generation !== undefined || isDeepStrictEqual(before.spec, after.spec)) &&
    isTerminalPhase(before.status?.phase) === isTerminalPhase(after.status?.phase) &&
    isDeepStrictEqual(foreignConditions(before), foreignConditions(after))
  );
}

/** What is being carried out is not wanted any more, `state` having been changed already. */
export function overtakes(state: WorkerState, before: Pod, now: number): boolean {
  const { pod, desired, orphan, execution, lifecycle, termination } = state;
  if (execution === undefined) return false;
  const end = endOf({ pod, desired, orphan, previous: undefined, now });
  if (end !== undefined) return lifecycle === 'syncing' || (termination !== undefined && isEarlier(end, termination, now));
  return execution.actions.some(
    (action) => action.kind === 'startContainer' && definitionOf(before, action.container) !== definitionOf(pod, action.container),
  );
}

/** A container that is to be another one now is tried at once. */
export function forgiveChangedContainers(memory: WorkerMemory, before: Pod, after: Pod): void {
  for (const name of memory.startFailures.keys()) {
    if (definitionOf(before, name) !== definitionOf(after, name)) memory.startFailures.delete(name);
  }
}

function foreignConditions(pod: Pod): readonly (readonly [string, string])[] {
  const foreign = ({ type }: PodCondition): boolean => !OWN_CONDITIONS.includes(type);
  return (pod.status?.conditions ?? []).filter(foreign).map(({ type, status }) => [type, status]);
}
