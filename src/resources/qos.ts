/** Quality of service of pods (kubelet pkg/apis/core/v1/helper/qos/qos.go, pkg/kubelet/qos/policy.go). */
import type { AnyContainerSpec, Pod, ResourceRequirements } from '../api/types.ts';
import { compareQuantities, parseQuantity } from '../api/quantity.ts';
import { containerRequests, hasPodLevelRequests, hasPodLevelResources, isSidecar, parseResources, wholeUnits } from './pod-resources.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** The class in the pod's status, else the computed one. */
export function qosClassOf(pod: Pod): QosClass {
  const recorded = pod.status?.qosClass;
  return recorded === 'Guaranteed' || recorded === 'Burstable' || recorded === 'BestEffort' ? recorded : computeQosClass(pod);
}

/**
 * BestEffort when no container (or the pod, with pod-level resources) asks for CPU or memory; Guaranteed when all ask for both
 * with requests equal to limits; else Burstable.
 */
export function computeQosClass(pod: Pod): QosClass {
  if (hasPodLevelResources(pod)) return classOfRequirements(pod.spec.resources ?? {});
  const classes = new Set(
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((container) => classOfRequirements(container.resources ?? {})),
  );
  const [only = 'BestEffort'] = classes;
  return classes.size > 1 ? 'Burstable' : only;
}

function classOfRequirements({ requests, limits }: Pick<ResourceRequirements, 'requests' | 'limits'>): QosClass {
  const cpu = classOfResource(requests?.['cpu'], limits?.['cpu']);
  const memory = classOfResource(requests?.['memory'], limits?.['memory']);
  return cpu === memory ? cpu : 'Burstable';
}

function classOfResource(request: string | undefined, limit: string | undefined): QosClass {
  const [requested, limited] = [parseQuantity(request ?? '0'), parseQuantity(limit ?? '0')];
  if (compareQuantities(requested, limited) !== 0) return 'Burstable';
  return requested.nano === 0n ? 'BestEffort' : 'Guaranteed';
}

/** Guaranteed containers and critical pods are the last to be killed. */
const GUARANTEED_OOM_SCORE_ADJ = -997;
const BEST_EFFORT_OOM_SCORE_ADJ = 1000;
/** kubelet pkg/apis/scheduling/types.go SystemCriticalPriority. */
const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

/** `oom_score_adj` of the container's processes: what it requests of the machine's memory counts in its favour. */
export function oomScoreAdjOf(pod: Pod, container: AnyContainerSpec, memoryCapacityBytes: number): number {
  if (isCritical(pod) && pod.spec.priorityClassName === 'system-node-critical') return GUARANTEED_OOM_SCORE_ADJ;
  const qosClass = qosClassOf(pod);
  if (qosClass === 'Guaranteed') return GUARANTEED_OOM_SCORE_ADJ;
  if (qosClass === 'BestEffort') return BEST_EFFORT_OOM_SCORE_ADJ;
  const scoreFor = (bytes: number): number => 1000 - Math.trunc((1000 * bytes) / memoryCapacityBytes);
  const share = hasPodLevelRequests(pod) ? unclaimedShare(pod) : 0;
  let score = scoreFor(memoryRequest(container) + share);
  if (isSidecar(pod, container)) {
    const smallest = Math.min(...pod.spec.containers.map(memoryRequest));
    score = Math.min(score, scoreFor(smallest + share)); // a sidecar must not be killed before what it serves
  }
  return Math.min(Math.max(score, 1000 + GUARANTEED_OOM_SCORE_ADJ), BEST_EFFORT_OOM_SCORE_ADJ - 1);
}

/** Static pods, their mirrors, and pods of the highest priorities (kubelet pkg/kubelet/types/pod_update.go IsCriticalPod). */
export function isCritical(pod: Pod): boolean {
  const annotations = pod.metadata.annotations ?? {};
  const source = annotations['kubernetes.io/config.source'];
  const fromNode = (source !== undefined && source !== 'api') || annotations['kubernetes.io/config.mirror'] !== undefined;
  return fromNode || (pod.spec.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY;
}

/** What the pod requests beyond its containers, divided among them (KEP 2837). */
function unclaimedShare(pod: Pod): number {
  const requested = wholeUnits(parseResources(pod.spec.resources?.requests), 'memory');
  if (requested === 0) return 0;
  const unclaimed = requested - wholeUnits(containerRequests(pod), 'memory');
  return Math.max(0, Math.trunc(unclaimed / (pod.spec.containers.length + (pod.spec.initContainers?.length ?? 0))));
}

function memoryRequest(container: AnyContainerSpec): number {
  return wholeUnits(parseResources(container.resources?.requests), 'memory');
}
