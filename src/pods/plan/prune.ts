/** Dead instances that nobody can ask for any more, while the pod lives (kubelet pod_container_deletor.go, kuberuntime_gc.go). */
import { sandboxIdOf } from '../pod-view.ts';
import type { Action } from '../types.ts';
import type { PlanInput } from './types.ts';

/** Dead instances kept for each container: its last state and previous log (kubelet: MaxPerPodContainerCount). */
const KEPT_DEAD = 1;

/** Older dead containers, and dead sandboxes but the newest that have none left. */
export function planPrune({ observed, memory }: PlanInput): Action[] {
  if (observed === undefined) return [];
  const actions: Action[] = [];
  const dead = new Map<string, number>();
  for (const { id, state, metadata } of observed.containers) {
    if (state !== 'exited') continue;
    const count = (dead.get(metadata.name) ?? 0) + 1;
    dead.set(metadata.name, count);
    if (count > KEPT_DEAD) {
      actions.push({
        kind: 'removeContainer',
        id,
        container: metadata.name,
        reason: `a newer instance of ${metadata.name} has ended since`,
      });
    }
  }
  for (const { id, state } of observed.sandboxes.slice(1)) {
    const used = observed.containers.some((container) => sandboxIdOf(observed, container) === id);
    if (state !== 'notready' || used) continue;
    if (!memory.stoppedSandboxes.has(id)) actions.push({ kind: 'stopSandbox', id, reason: 'it has been replaced' });
    actions.push({ kind: 'removeSandbox', id, reason: 'it has been replaced and holds nothing' });
  }
  return actions;
}
