import type { Execution } from '../execution.ts';
import type { ActionOf } from '../../pods/types.ts';

/** Volumes first: what is mounted below the pod must be gone before its cgroup is (kubelet SyncTerminatedPod). */
export async function cleanUp({ deps, pod }: Execution, _action: ActionOf<'cleanUp'>, signal: AbortSignal): Promise<void> {
  await deps.volumes.unmount(pod.metadata.uid, signal);
  await deps.cgroups.removePodCgroup(pod.metadata.uid, signal);
}
