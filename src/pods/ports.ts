/**
 * What the pod loop needs of other rooms, declared by the consumer; agent.ts passes the parts in. Each port is as narrow as its
 * use.
 */
import type { ObjectMeta, ObjectReference, Pod, PodSpec, PodStatus, Taint } from '../api/types.ts';
import type { ObservedContainer, PodLifecycle } from './types.ts';

export interface PodKey {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Where a list-and-watch of this node's pods delivers what it sees. The objects are not trusted: they are checked behind this door. */
export interface PodFeed {
  /** The complete list, after every (re)list. */
  replace(objects: readonly unknown[]): void;
  /** One object was added or changed. */
  upsert(object: unknown): void;
  /** One object is gone; its last known state. */
  remove(object: unknown): void;
}

/** Body of a strategic merge patch on `pods/status`. `metadata.uid` is the precondition. */
export interface PodStatusPatch {
  readonly metadata: { readonly uid: string };
  readonly status: Readonly<Record<string, unknown>>;
}

/** The API server, as far as the status manager writes to it. */
export interface PodStatusWriter {
  /**
   * Strategic merge patch of the `status` sub-resource; answers the pod as it is after the patch.
   * @throws NotFoundError when the pod is gone
   * @throws ConflictError when a pod of that name has another UID
   * @throws InvalidInputError when the API server refuses the content
   */
  patchPodStatus(pod: PodKey, patch: PodStatusPatch, signal: AbortSignal): Promise<Pod>;
  /** DELETE with the UID as precondition. @throws NotFoundError @throws ConflictError as above */
  deletePod(pod: PodKey, gracePeriodSeconds: number, signal: AbortSignal): Promise<void>;
}

/** A pod to be created: without UID and status. */
export interface MirrorPodBody {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: ObjectMeta & { readonly namespace: string; readonly name: string };
  readonly spec: PodSpec;
}

/** The API server, as far as mirror pods need it. */
export interface MirrorPodWriter {
  /** POST of the body as it is. @throws AlreadyExistsError when a pod of that name exists */
  createPod(body: MirrorPodBody, signal: AbortSignal): Promise<unknown>;
  /** DELETE with the UID as precondition. @throws NotFoundError @throws ConflictError when the UID is another's */
  deletePod(pod: PodKey, gracePeriodSeconds: number, signal: AbortSignal): Promise<void>;
}

export interface EventSink {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export type ProbeKind = 'liveness' | 'readiness' | 'startup';
export type ProbeOutcome = 'success' | 'failure' | 'unknown';

/** Last results of probes by container id. */
export interface ProbeReader {
  /** `undefined`: this probe of this container has not had a result yet. */
  get(probe: ProbeKind, containerId: string): ProbeOutcome | undefined;
}

export interface ProbeResults extends ProbeReader {
  /** Called with the pod's UID after a result has changed. Answers the function that ends the subscription. */
  onChange(listener: (podUid: string) => void): () => void;
}

/** For an agent without probes: whatever runs is started and ready. */
export const withoutProbes: ProbeResults = {
  get: () => 'success',
  onChange: () => () => undefined,
};

/** This node as admission and status see it. */
export interface NodeView {
  readonly nodeName: string;
  /** Of the Node object, or what the agent is about to register. */
  labels(): Readonly<Record<string, string>>;
  taints(): readonly Taint[];
  /** Quantities by resource name, `pods` included. */
  allocatable(): Readonly<Record<string, string>>;
  /** Sysctl names and patterns beyond the safe ones (KubeletConfiguration allowedUnsafeSysctls). */
  allowedUnsafeSysctls(): readonly string[];
  /** At most one of each family, the primary first; empty until known. */
  hostIPs(): readonly string[];
  /** What the runtime's Status says of `supplementalGroupsPolicy: Strict`. */
  supportsSupplementalGroupsPolicy(): boolean;
  /** Of the pod's runtime handler. */
  supportsRecursiveReadOnlyMounts(runtimeClassName: string | undefined): boolean;
}

/** What a container left as its last words. */
export interface TerminationMessages {
  /**
   * The whole message of an exited container: the runtime's own and what it left by its path and policy (kubelet
   * kuberuntime_container.go convertToKubeContainerStatus). Problems with reading become the message.
   */
  read(container: ObservedContainer, signal: AbortSignal): Promise<string>;
}

/** Told of a pod's way through its life; probes, managers of secrets and config maps and the like hang on it. */
export type PodLifecycleListener = (pod: Pod, lifecycle: PodLifecycle | 'gone') => void;

/** The workers as mirror pods see them. */
export interface PodNames {
  /** Whether a pod of this name has a worker, if only to end it. */
  usesName(namespace: string, name: string): boolean;
  onLifecycle(listener: PodLifecycleListener): () => void;
}

/** The status manager as the workers see it. */
export interface PodStatusSink {
  /** The last status that was set; `undefined` before the first. */
  get(uid: string): PodStatus | undefined;
  /** Sends `status` if it differs from what was sent. `finished`: nothing of the pod is left, its API object may go. */
  set(pod: Pod, status: PodStatus, options: { readonly finished: boolean }): void;
}
