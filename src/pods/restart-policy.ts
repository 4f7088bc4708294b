/** Whether an ended container starts again (kubernetes pkg/api/v1/pod/util.go ContainerShouldRestart). */
import type { AnyContainerSpec, ContainerSpec, Pod } from '../api/types.ts';
import { latestContainer } from './pod-view.ts';
import type { ObservedPod } from './types.ts';

type RestartRule = NonNullable<ContainerSpec['restartPolicyRules']>[number];

/** By the container's rules, then its own policy, then the pod's. */
export function restartsAfter(pod: Pod, container: AnyContainerSpec, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    const action = matchingRule(container, exitCode)?.action;
    if (action === 'Restart' || action === 'RestartAllContainers') return true;
  }
  return restartsByPolicy(container.restartPolicy ?? pod.spec.restartPolicy, exitCode);
}

/** Whether a container that fails is started again, where there is no exit code to ask rules about. */
export function restartsOnFailure(pod: Pod, container: AnyContainerSpec): boolean {
  return (container.restartPolicy ?? pod.spec.restartPolicy) !== 'Never';
}

/** The first rule that the exit code fulfils. */
export function matchingRule(container: AnyContainerSpec, exitCode: number): RestartRule | undefined {
  return container.restartPolicyRules?.find(({ exitCodes }) => {
    if (exitCodes === undefined) return false;
    const listed = (exitCodes.values ?? []).includes(exitCode);
    return exitCodes.operator === 'In' ? listed : exitCodes.operator === 'NotIn' && !listed;
  });
}

/** Whether the container, as the runtime has it, is to be started (kubelet container/helpers.go ShouldContainerBeRestarted). */
export function shouldStart(pod: Pod, container: AnyContainerSpec, observed: ObservedPod | undefined): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  const latest = latestContainer(observed, container.name);
  switch (latest?.state) {
    case 'running':
      return false;
    case 'exited':
      return restartsAfter(pod, container, latest.exitCode);
    case 'created':
    case 'unknown':
    case undefined:
      return true;
  }
}

function restartsByPolicy(policy: string | undefined, exitCode: number): boolean {
  if (policy === 'Never') return false;
  return policy === 'OnFailure' ? exitCode !== 0 : true;
}
