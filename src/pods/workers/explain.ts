import type { PodExplanation } from '../types.ts';
import type { WorkerState } from './worker-state.ts';

/** The worker's state in words for a person. */
export function explain({ pod, lifecycle, execution, waiting, wakeAt }: WorkerState): PodExplanation {
  const { uid, namespace, name } = pod.metadata;
  return {
    uid,
    namespace,
    name,
    lifecycle,
    executing: execution?.actions ?? [],
    ...(execution === undefined ? {} : { executingSince: execution.since }),
    waiting,
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}
