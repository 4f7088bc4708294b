/** Events that the pod loop itself records; the executor and the image manager record those of their own steps. */
import { containerReference, podReference } from '../../api/object-reference.ts';
import type { Pod } from '../../api/types.ts';
import { podText } from '../pod-view.ts';
import type { Plan } from '../plan/types.ts';
import type { EventSink } from '../ports.ts';
import type { ExecutionResult } from '../types.ts';
import type { WorkerState } from './worker-state.ts';

/** Before the plan's waits are kept: what is new about them (kubelet kuberuntime_manager.go doBackOff). */
export function recordWaits(events: EventSink, { pod, waiting: before }: WorkerState, { waiting }: Plan): void {
  for (const { container, reason, until } of waiting) {
    if (reason !== 'CrashLoopBackOff' || container === undefined) continue;
    if (before.some((known) => known.container === container && known.reason === reason && known.until === until)) continue;
    const message = `Back-off restarting failed container ${container} in pod ${podText(pod)}`;
    events.event(containerReference(pod, container), 'Warning', 'BackOff', message);
  }
}

/** Failures about which nobody has said anything yet. */
export function recordFailures(events: EventSink, pod: Pod, result: ExecutionResult): void {
  for (const { action, reason, message, eventRecorded } of result.failed) {
    if (eventRecorded) continue;
    if (action.kind === 'startContainer') events.event(containerReference(pod, action.container), 'Warning', 'Failed', `Error: ${message}`);
    else events.event(podReference(pod), 'Warning', reason, message);
  }
}
