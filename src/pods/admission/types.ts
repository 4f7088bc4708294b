/** What admission is given and how it refuses. */
import type { Pod, Taint } from '../../api/types.ts';

/** This node, as admission looks at it. */
export interface AdmissionNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Quantities by resource name, `pods` included. */
  readonly allocatable: Readonly<Record<string, string>>;
  readonly supportsSupplementalGroupsPolicy: boolean;
  /** Names and patterns beyond the safe ones (KubeletConfiguration allowedUnsafeSysctls). */
  readonly allowedUnsafeSysctls: readonly string[];
}

export interface AdmissionInput {
  readonly pod: Pod;
  /** Pods of this node that hold resources, this one not among them. */
  readonly others: readonly Pod[];
  readonly node: AdmissionNode;
}

/** A refusal, in the words of the pod's status and of the event. */
export interface Rejection {
  /** `OutOfcpu`, `NodeAffinity`, `NodePorts`, `PodOSNotSupported` … */
  readonly reason: string;
  readonly message: string;
}
