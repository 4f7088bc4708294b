/** What podStatus is given. */
import type { Pod, PodCondition, PodStatus } from '../../api/types.ts';
import type { ProbeReader } from '../ports.ts';
import type { ObservedPod } from '../types.ts';

/** Why a container is not running yet, as its waiting state says it. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

/** Something other than its containers has decided over the pod: eviction, deadline, preemption. Wins over the computed phase. */
export interface PhaseOverride {
  readonly phase: 'Failed';
  /** `Evicted`, `DeadlineExceeded`, `Preempting` … */
  readonly reason: string;
  readonly message: string;
  /** The DisruptionTarget condition that goes with it. */
  readonly disruption?: PodCondition;
}

export interface PodStatusInput {
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
  /** The last status that was set for this pod, else the API's: what must not go backwards. */
  readonly previous: PodStatus | undefined;
  /** Nothing of it runs any more, nor will. While that is open, the phase is not reported as Succeeded or Failed. */
  readonly terminal: boolean;
  /** From a directory or URL: its phase does not become terminal (kubelet kubelet_pods.go getPhase). */
  readonly isStatic: boolean;
  /** By container name: failed starts and crash loops. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  readonly probes: ProbeReader;
  /** By container id: messages of exited containers, the runtime's own included; without one the runtime's stands. */
  readonly terminationMessages: ReadonlyMap<string, string>;
  readonly hostIPs: readonly string[];
  /** The runtime makes mounts below a read-only mount read-only too. */
  readonly supportsRecursiveReadOnly: boolean;
  /** Scheme of container ids: `docker`. */
  readonly runtimeName: string;
  readonly override?: PhaseOverride;
  /** ms since the epoch. */
  readonly now: number;
}
