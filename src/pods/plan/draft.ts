/** A plan in the making, and the one way in which a start gets into it. */
import type { AnyContainerSpec } from '../../api/types.ts';
import { latestContainer, latestExited, reportedContainer, restartCountOf } from '../pod-view.ts';
import type { Action, ContainerKind, Waiting } from '../types.ts';
import { crashLoopWait } from './crash-loop.ts';
import type { PlanInput } from './types.ts';

export interface Draft {
  readonly actions: Action[];
  readonly waiting: Waiting[];
  /** Where containers start; `undefined`: in the sandbox that this plan creates. */
  readonly sandboxId: string | undefined;
}

/** Adds the start of a container, or what it waits for. Answers whether it will start with this plan. */
export function addStart(input: PlanInput, draft: Draft, container: AnyContainerSpec, kind: ContainerKind, reason: string): boolean {
  const wait = startWait(input, container);
  if (wait !== undefined) {
    draft.waiting.push(wait);
    return false;
  }
  const latest = latestContainer(input.observed, container.name);
  if (latest?.state === 'created') {
    // Created but never started (the agent or the engine was stopped in between): its place is needed, and it has not run.
    const { id } = latest;
    draft.actions.push({
      kind: 'removeContainer',
      id,
      container: container.name,
      reason: `${container.name} was created and never started`,
    });
    return false;
  }
  draft.actions.push({
    kind: 'startContainer',
    container: container.name,
    containerKind: kind,
    attempt: nextAttempt(input, container.name),
    ...(draft.sandboxId === undefined ? {} : { sandboxId: draft.sandboxId }),
    reason,
  });
  return true;
}

function startWait({ pod, observed, memory, settings, now }: PlanInput, container: AnyContainerSpec): Waiting | undefined {
  const { name } = container;
  const failure = memory.startFailures.get(name);
  if (failure !== undefined && now < failure.retryAt) {
    return { container: name, reason: failure.reason, message: failure.message, until: failure.retryAt };
  }
  return crashLoopWait(pod, container, memory.crashLoop.get(name), latestExited(observed, name), settings, now);
}

/**
 * One more than the newest instance's; without one, what was last reported (kubelet kuberuntime_container.go reads the log
 * directory for this). A reported container id says that the count is that of an instance that is gone.
 */
function nextAttempt({ observed, previous }: PlanInput, name: string): number {
  const latest = latestContainer(observed, name);
  if (latest !== undefined) return restartCountOf(latest) + 1;
  const reported = reportedContainer(previous, name);
  if (reported === undefined) return 0;
  const counted = reported.containerID !== undefined && reported.containerID !== '';
  return reported.restartCount + (counted ? 1 : 0);
}
