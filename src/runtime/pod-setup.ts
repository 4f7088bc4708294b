import { podReference } from '../api/object-reference.ts';
import type { Pod } from '../api/types.ts';
import { errorMessage } from '../lib/errors.ts';
import { ReasonedError } from '../lib/reasoned-error.ts';
import type { ExecutorDeps } from './executor-deps.ts';
import { makePodDirectories } from './pod-files.ts';
import type { MountedVolume } from './ports.ts';

/**
 * What has to be there before a sandbox is: the pod's cgroup, its directories, its volumes
 * (kubelet pkg/kubelet/kubelet.go SyncPod; its events).
 * @throws ReasonedError FailedCreatePodContainer, Failed or FailedMount, with the event recorded
 */
export async function setUpPod(
  deps: Pick<ExecutorDeps, 'events' | 'volumes' | 'paths'>,
  pod: Pod,
  cgroupParent: () => Promise<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, MountedVolume>> {
  const stage = async <T>(reason: string, text: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (signal.aborted) throw error;
      throw failure(deps, pod, reason, text, error);
    }
  };
  await stage('FailedCreatePodContainer', 'unable to ensure pod container exists', cgroupParent());
  await stage('Failed', 'error making pod data directories', makePodDirectories(deps.paths.podDirectory(pod.metadata.uid)));
  return stage('FailedMount', 'Unable to attach or mount volumes', deps.volumes.mount(pod, signal));
}

function failure(deps: Pick<ExecutorDeps, 'events'>, pod: Pod, reason: string, text: string, error: unknown): ReasonedError {
  if (error instanceof ReasonedError && error.eventRecorded) return error;
  const message = `${text}: ${errorMessage(error)}`;
  deps.events.event(podReference(pod), 'Warning', reason, message);
  return new ReasonedError(reason, message, { cause: error, eventRecorded: true });
}
