/** Ending a pod: its containers, then its sandboxes, then what is left of it (kubelet killPodWithSyncResult). */
import { mayRun } from '../pod-view.ts';
import type { Action, ActionOf, ObservedContainer, Waiting } from '../types.ts';
import { MINIMUM_GRACE_SECONDS } from './stop.ts';
import type { PlanInput, Termination } from './types.ts';

/** Steps that bring everything of the pod to a stop; none: all is stopped. In which order its containers get their signal, the executor knows. */
export function planTerminating(
  input: PlanInput,
  { graceSeconds, since, reason }: Termination,
): { readonly actions: Action[]; readonly waiting: Waiting[] } {
  const left = graceSeconds - Math.floor((input.now - since) / 1000);
  const given = Math.max(left, MINIMUM_GRACE_SECONDS);
  const stops = (input.observed?.containers ?? []).filter(mayRun).map((container) => stopOf(container, given, reason));
  const waiting: Waiting[] = stops.map(({ container }) => ({
    container,
    reason: 'Terminating',
    message: `${container} is given ${given} s to end`,
  }));
  return { actions: [...stops, ...sandboxStops(input, reason)], waiting };
}

/** Everything of a pod stops and goes at once: only its sandboxes' remains are wanted to make room for a new one. */
export function planSandboxTeardown(input: PlanInput, reason: string): Action[] {
  const { pod, observed } = input;
  const graceSeconds = Math.max(pod.spec.terminationGracePeriodSeconds ?? 0, MINIMUM_GRACE_SECONDS);
  const initNames = new Set((pod.spec.initContainers ?? []).map(({ name }) => name));
  const actions: Action[] = [];
  for (const container of observed?.containers ?? []) {
    if (mayRun(container)) actions.push(stopOf(container, graceSeconds, reason));
  }
  actions.push(...sandboxStops(input, reason));
  for (const { id, metadata } of observed?.containers ?? []) {
    if (!initNames.has(metadata.name)) continue;
    const why = 'initialization starts over in the new sandbox';
    actions.push({ kind: 'removeContainer', id, container: metadata.name, reason: why });
  }
  return actions;
}

function stopOf(container: ObservedContainer, graceSeconds: number, reason: string): ActionOf<'stopContainer'> {
  const { name } = container.metadata;
  return { kind: 'stopContainer', id: container.id, container: name, graceSeconds, message: `Stopping container ${name}`, reason };
}

/** A sandbox that this process has not stopped may still hold its network, dead or not. */
function sandboxStops({ observed, memory }: PlanInput, reason: string): Action[] {
  return (observed?.sandboxes ?? [])
    .filter(({ id, state }) => state === 'ready' || !memory.stoppedSandboxes.has(id))
    .map(({ id }) => ({ kind: 'stopSandbox', id, reason }));
}

/** After the stop: volumes and cgroup go; what is left of containers too, once nobody can ask for it any more. */
export function planTerminated(input: PlanInput, termination: Termination): { readonly actions: Action[]; readonly waiting: Waiting[] } {
  const { observed, memory } = input;
  const late = planTerminating(input, { ...termination, graceSeconds: 0 });
  if (late.actions.length > 0) return late;
  if (!memory.cleanedUp) return { actions: [{ kind: 'cleanUp', reason: 'nothing of the pod runs any more' }], waiting: [] };
  if (!termination.remove) return { actions: [], waiting: [] };
  const reason = 'the pod is deleted';
  const actions: Action[] = [];
  for (const { id, metadata } of observed?.containers ?? [])
    actions.push({ kind: 'removeContainer', id, container: metadata.name, reason });
  for (const { id } of observed?.sandboxes ?? []) actions.push({ kind: 'removeSandbox', id, reason });
  return { actions, waiting: [] };
}
