/** Whether a pod, or one of its containers, has ended for good. */
import type { ContainerSpec } from '../../api/types.ts';
import { hasAnyAppContainer, isSidecar, latestContainer, reportedContainer } from '../pod-view.ts';
import { restartsAfter } from '../restart-policy.ts';
import { sandboxNeed } from './sandbox.ts';
import type { PlanInput } from './types.ts';

/** What a container ended with that has vanished while it was reported as running: an error (kubelet: ContainerStatusUnknown). */
const VANISHED_EXIT_CODE = 137;

/** Every app container has ended for good, or an init container has failed for good, or the sandbox of a pod that runs only once is lost. */
export function isFinished(input: PlanInput): boolean {
  const { containers, initContainers } = input.pod.spec;
  if (containers.every((spec) => endedForGood(input, spec))) return true;
  if (hasLostOnlySandbox(input)) return true;
  if (hasAnyAppContainer(input.pod, input.observed)) return false;
  return (initContainers ?? []).some((spec) => !isSidecar(spec) && exitCodeOf(input, spec) !== 0 && endedForGood(input, spec));
}

/** It has ended and its restart policy leaves it at that. */
export function endedForGood(input: PlanInput, spec: ContainerSpec): boolean {
  const exitCode = exitCodeOf(input, spec);
  return exitCode !== undefined && !restartsAfter(input.pod, spec, exitCode);
}

/** The runtime's word, else what was reported last: a container that somebody has removed does not run a second time for that. */
function exitCodeOf({ observed, previous }: PlanInput, { name }: ContainerSpec): number | undefined {
  const latest = latestContainer(observed, name);
  if (latest !== undefined) return latest.state === 'exited' ? latest.exitCode : undefined;
  const reported = reportedContainer(previous, name);
  if (reported?.state?.running !== undefined) return VANISHED_EXIT_CODE;
  return (reported?.state?.terminated ?? reported?.lastState?.terminated)?.exitCode;
}

/** Whether it has succeeded and is not to run again in a new sandbox. */
export function isRunOnceAndSucceeded({ pod, observed }: PlanInput, spec: ContainerSpec): boolean {
  const latest = latestContainer(observed, spec.name);
  return (spec.restartPolicy ?? pod.spec.restartPolicy) === 'OnFailure' && latest?.state === 'exited' && latest.exitCode === 0;
}

/** A pod that never restarts gets a second sandbox only if nothing was ever created in the first. */
function hasLostOnlySandbox({ pod, observed }: PlanInput): boolean {
  const need = sandboxNeed(pod, observed);
  return pod.spec.restartPolicy === 'Never' && need.create && need.attempt > 0 && (observed?.containers.length ?? 0) > 0;
}
