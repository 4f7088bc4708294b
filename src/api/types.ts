/**
 * Kubernetes objects as they are on the wire. client-node's generated classes have `Date` where JSON has an RFC 3339 string;
 * these types say what is really there. Only types cross here: nothing of client-node is loaded at run time.
 */
import type {
  CoreV1Event,
  V1Affinity,
  V1ConfigMap,
  V1Container,
  V1ContainerState,
  V1ContainerStatus,
  V1EphemeralContainer,
  V1Lease,
  V1LifecycleHandler,
  V1Node,
  V1NodeCondition,
  V1NodeStatus,
  V1ObjectMeta,
  V1PersistentVolume,
  V1PersistentVolumeClaim,
  V1PodCondition,
  V1PodSpec,
  V1PodStatus,
  V1Probe,
  V1ResourceRequirements,
  V1RuntimeClass,
  V1Secret,
  V1SecurityContext,
  V1Service,
  V1ServiceAccount,
  V1Status,
  V1Taint,
  V1Toleration,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';

/** A generated class as its JSON: dates are strings. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

export type ObjectMeta = Wire<V1ObjectMeta>;
export type Affinity = Wire<V1Affinity>;
export type ConfigMap = Wire<V1ConfigMap>;
export type ContainerSpec = Wire<V1Container>;
export type ContainerStateStatus = Wire<V1ContainerState>;
export type ContainerStatusObject = Wire<V1ContainerStatus>;
export type EphemeralContainerSpec = Wire<V1EphemeralContainer>;
export type EventObject = Wire<CoreV1Event>;
export type Lease = Wire<V1Lease>;
export type LifecycleHandler = Wire<V1LifecycleHandler>;
export type NodeCondition = Wire<V1NodeCondition>;
export type NodeStatus = Wire<V1NodeStatus>;
export type NodeObject = Wire<V1Node> & KubeObject;
export type PersistentVolume = Wire<V1PersistentVolume>;
export type PersistentVolumeClaim = Wire<V1PersistentVolumeClaim>;
export type PodCondition = Wire<V1PodCondition>;
export type PodSpec = Wire<V1PodSpec>;
export type PodStatus = Wire<V1PodStatus>;
export type ProbeSpec = Wire<V1Probe>;
export type ResourceRequirements = Wire<V1ResourceRequirements>;
export type RuntimeClass = Wire<V1RuntimeClass>;
export type Secret = Wire<V1Secret>;
export type SecurityContext = Wire<V1SecurityContext>;
export type Service = Wire<V1Service>;
export type ServiceAccount = Wire<V1ServiceAccount>;
export type StatusObject = Wire<V1Status>;
export type Taint = Wire<V1Taint>;
export type Toleration = Wire<V1Toleration>;
export type VolumeSpec = Wire<V1Volume>;
export type VolumeMountSpec = Wire<V1VolumeMount>;

/** What every stored object has. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta & { name: string };
}

/** A pod that has passed the door (see pods/sources): name, namespace, UID and spec are there. */
export interface Pod {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta & { name: string; namespace: string; uid: string };
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

/** Init, app or ephemeral container, where the difference does not matter. */
export type AnyContainerSpec = ContainerSpec | EphemeralContainerSpec;

/** Points at an object in events and messages. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** `spec.containers{name}` for events about one container. */
  readonly fieldPath?: string;
}
