/** Ending a pod: its containers in order, then its sandboxes (kubelet killPodWithSyncResult, kuberuntime_termination_order.go). */
import { isSidecar, mayRun } from '../pod-view.ts';
import type { Action, ActionOf, ObservedContainer, Waiting } from '../types.ts';
import { MINIMUM_GRACE_SECONDS } from './stop.ts';
import type { PlanInput, Termination } from './types.ts';

/** Steps that bring everything of the pod to a stop; none: all is stopped. */
export function planTerminating(input: PlanInput, termination: Termination): { readonly actions: Action[]; readonly waiting: Waiting[] } {
  const running = input.observed?.containers.filter(mayRun) ?? [];
  const stops = nextStops(input, termination, running);
  const waiting: Waiting[] = stops.map((stop) => ({
    container: stop.container,
    reason: 'Terminating',
    message: `${stop.container} is given ${stop.graceSeconds} s to end`,
  }));
  // What still runs after these stops (sidecars) keeps its sandbox.
  if (stops.length < running.length) return { actions: stops, waiting };
  return { actions: [...stops, ...sandboxStops(input, termination.reason)], waiting };
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

/** Sidecars after all others, the last in the spec first; when the time is over, all at once. */
function nextStops(input: PlanInput, termination: Termination, running: readonly ObservedContainer[]): ActionOf<'stopContainer'>[] {
  const elapsed = Math.floor((input.now - termination.since) / 1000);
  const left = termination.graceSeconds - elapsed;
  const graceSeconds = Math.max(left, MINIMUM_GRACE_SECONDS);
  const stop = (container: ObservedContainer): ActionOf<'stopContainer'> => stopOf(container, graceSeconds, termination.reason);
  if (left <= 0) return running.map(stop);
  const sidecars = (input.pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const others = running.filter(({ metadata }) => !sidecars.includes(metadata.name));
  if (others.length > 0) return others.map(stop);
  const last = sidecars.findLast((name) => running.some(({ metadata }) => metadata.name === name));
  return running.filter(({ metadata }) => metadata.name === last).map(stop);
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
