/** App containers and ephemeral containers of an initialized pod (kubelet kuberuntime_manager.go computePodActions). */
import type { ContainerSpec } from '../../api/types.ts';
import { definitionChanged, latestContainer, reportedContainer } from '../pod-view.ts';
import { restartsOnFailure } from '../restart-policy.ts';
import type { ObservedContainer } from '../types.ts';
import { addStart, type Draft } from './draft.ts';
import { endedForGood } from './finished.ts';
import { stopWhileSyncing, type StopCause } from './stop.ts';
import type { PlanInput } from './types.ts';

/** Adds what the app containers need. */
export function planApp(input: PlanInput, draft: Draft): void {
  for (const spec of input.pod.spec.containers) {
    const latest = latestContainer(input.observed, spec.name);
    if (latest?.state === 'running') planRunning(input, draft, spec, latest);
    else if (!endedForGood(input, spec)) planStopped(input, draft, spec, latest);
  }
}

/** Adds ephemeral containers that have never been started; they are never restarted. */
export function planEphemeral(input: PlanInput, draft: Draft): void {
  for (const spec of input.pod.spec.ephemeralContainers ?? []) {
    const reported = reportedContainer(input.previous, spec.name);
    const known = latestContainer(input.observed, spec.name) !== undefined || (reported?.containerID ?? '') !== '';
    if (!known) addStart(input, draft, spec, 'ephemeral', `ephemeral container ${spec.name} was added to the pod`);
  }
}

function planStopped(input: PlanInput, draft: Draft, spec: ContainerSpec, latest: ObservedContainer | undefined): void {
  if (latest?.state === 'unknown') {
    // It may be running: two instances at once would be worse than a stop too many.
    const message = 'Container is in "unknown" state, try killing it before restart';
    draft.actions.push(stopWhileSyncing(input.pod, spec, latest, { message }));
  }
  addStart(input, draft, spec, 'app', startReason(spec, latest));
}

function planRunning(input: PlanInput, draft: Draft, spec: ContainerSpec, container: ObservedContainer): void {
  const cause = stopCause(input, spec, container);
  if (cause === undefined) return;
  const restart = cause.always || restartsOnFailure(input.pod, spec);
  const message = restart ? `${cause.message}, will be restarted` : cause.message;
  draft.actions.push(stopWhileSyncing(input.pod, spec, container, { ...cause, message }));
  if (restart) addStart(input, draft, spec, 'app', message);
}

function stopCause(
  { probes }: PlanInput,
  spec: ContainerSpec,
  container: ObservedContainer,
): (StopCause & { always: boolean }) | undefined {
  if (definitionChanged(spec, container)) return { message: `Container ${spec.name} definition changed`, always: true };
  for (const probe of ['liveness', 'startup'] as const) {
    if (spec[`${probe}Probe`] === undefined || probes.get(probe, container.id) !== 'failure') continue;
    return { message: `Container ${spec.name} failed ${probe} probe`, probe, always: false };
  }
  return undefined;
}

function startReason(spec: ContainerSpec, latest: ObservedContainer | undefined): string {
  if (latest === undefined) return `${spec.name} is not there`;
  if (latest.state === 'exited') return `${spec.name} ended with exit code ${latest.exitCode} and its restart policy starts it again`;
  return `${spec.name} is in state ${latest.state} and has to run`;
}
