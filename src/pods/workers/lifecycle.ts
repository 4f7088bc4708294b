/** When and why a pod begins to end, and how long it is given (kubelet pkg/kubelet/pod_workers.go UpdatePod, active_deadline.go). */
import { parseTime } from '../../api/meta.ts';
import type { Pod, PodStatus } from '../../api/types.ts';
import type { PhaseOverride } from '../status/types.ts';
import { isTerminalPhase } from '../status/phase.ts';

/** The reason for a pod to end, in the order in which they count. */
export interface End {
  /** A sentence. */
  readonly reason: string;
  readonly graceSeconds: number;
  readonly override?: PhaseOverride;
}

/** What nobody knows the spec of gets this, seconds (kubelet kubelet_pods.go HandlePodCleanups). */
const ORPHAN_GRACE_SECONDS = 1;
/** The API's default of `terminationGracePeriodSeconds`. */
const DEFAULT_GRACE_SECONDS = 30;

export interface EndInput {
  readonly pod: Pod;
  readonly desired: boolean;
  readonly orphan: boolean;
  /** The last status that was reported. */
  readonly previous: PodStatus | undefined;
  readonly now: number;
}

/** `undefined`: it goes on. */
export function endOf({ pod, desired, orphan, previous, now }: EndInput): End | undefined {
  if (orphan) return { reason: 'nobody desires this pod', graceSeconds: ORPHAN_GRACE_SECONDS };
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  const graceSeconds = specGraceSeconds(pod);
  if (deletionTimestamp !== undefined) return { reason: 'the pod is deleted', graceSeconds: deletionGracePeriodSeconds ?? graceSeconds };
  if (!desired) return { reason: 'the pod was removed from its source', graceSeconds };
  if (isTerminalPhase(pod.status?.phase) || isTerminalPhase(previous?.phase)) return { reason: 'the pod has already ended', graceSeconds };
  const deadline = activeDeadlineAt(pod, previous);
  if (deadline === undefined || now < deadline) return undefined;
  const message = 'Pod was active on the node longer than the specified deadline';
  return { reason: message, graceSeconds, override: { phase: 'Failed', reason: 'DeadlineExceeded', message } };
}

/** How long its spec gives it, seconds. */
export function specGraceSeconds(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** When `activeDeadlineSeconds` is over, ms since the epoch; counted from the reported start. */
export function activeDeadlineAt(pod: Pod, previous: PodStatus | undefined): number | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  const startedAt = parseTime(previous?.startTime);
  return activeDeadlineSeconds === undefined || startedAt === undefined ? undefined : startedAt + activeDeadlineSeconds * 1000;
}

/** A deletion of a pod that is ending already: the earlier end of both counts. */
export function isEarlier(
  end: Pick<End, 'graceSeconds'>,
  termination: { readonly graceSeconds: number; readonly since: number },
  now: number,
): boolean {
  return now + end.graceSeconds * 1000 < termination.since + termination.graceSeconds * 1000;
}
