/** What a worker learns from carrying out a plan. */
import { backoffDelay } from '../../lib/backoff.ts';
import { nextCrashLoop } from '../plan/crash-loop.ts';
import type { PlanSettings } from '../plan/types.ts';
import { containerSpec, latestExited } from '../pod-view.ts';
import type { Action, ActionFailure, ExecutionResult, ObservedPod } from '../types.ts';
import type { Pod } from '../../api/types.ts';
import type { WorkerMemory } from './worker-state.ts';

/** Until a failed step is tried again: soon the first time, then no more seldom than the kubelet does (its backOffPeriod). */
const RETRY = { initialMs: 1000, maxMs: 10_000, factor: 2, jitter: 0.2 };

/** Before the starts of a plan: a container that has ended before moves on in its back-off, whatever comes of this start. */
export function noteStarts(
  memory: WorkerMemory,
  pod: Pod,
  observed: ObservedPod | undefined,
  actions: readonly Action[],
  settings: PlanSettings,
  now: number,
): void {
  for (const action of actions) {
    if (action.kind !== 'startContainer') continue;
    const spec = containerSpec(pod, action.container);
    const exited = latestExited(observed, action.container);
    if (spec === undefined || exited === undefined) continue;
    memory.crashLoop.set(action.container, nextCrashLoop(spec, memory.crashLoop.get(action.container), exited, settings, now));
  }
}

/** After a plan: what is done, and what is to be tried again when. `random` in [0, 1). */
export function noteResult(memory: WorkerMemory, result: ExecutionResult, now: number, random?: () => number): void {
  for (const action of result.done) noteDone(memory, action);
  const podFailure = result.failed.find(({ action }) => action.kind !== 'startContainer');
  if (podFailure === undefined) {
    // Before its time the failed step was not in the plan, so nothing has been learnt about it.
    if (memory.podFailure !== undefined && now >= memory.podFailure.retryAt) {
      memory.podFailure = undefined;
      memory.podFailures = 0;
    }
  } else {
    memory.podFailures += 1;
    const blocks = podFailure.action.kind === 'prepareVolumes' || podFailure.action.kind === 'createSandbox' ? 'starts' : 'all';
    memory.podFailure = { ...failureOf(podFailure, memory.podFailures, now, random), blocks };
  }
  for (const failure of result.failed) {
    if (failure.action.kind !== 'startContainer') continue;
    const { container } = failure.action;
    const count = (memory.startFailures.get(container)?.count ?? 0) + 1;
    memory.startFailures.set(container, { ...failureOf(failure, count, now, random), count });
  }
}

function noteDone(memory: WorkerMemory, action: Action): void {
  switch (action.kind) {
    case 'prepareVolumes':
      memory.volumesPrepared = true;
      return;
    case 'startContainer':
      memory.startFailures.delete(action.container);
      return;
    case 'stopSandbox':
      memory.stoppedSandboxes.add(action.id);
      return;
    case 'removeSandbox':
      memory.stoppedSandboxes.delete(action.id);
      return;
    case 'cleanUp':
      memory.cleanedUp = true;
      memory.volumesPrepared = false;
      return;
    case 'createSandbox':
    case 'stopContainer':
    case 'removeContainer':
    case 'updateContainerResources':
      return;
  }
}

function failureOf(
  { reason, message, retryAt }: ActionFailure,
  count: number,
  now: number,
  random: (() => number) | undefined,
): { readonly reason: string; readonly message: string; readonly retryAt: number } {
  return { reason, message, retryAt: Math.max(retryAt ?? 0, now + backoffDelay(RETRY, count, random)) };
}
