/** What planPod is given and what it answers. Plain data, so that a plan can be tested, printed and explained. */
import type { Pod, PodStatus } from '../../api/types.ts';
import type { ProbeReader } from '../ports.ts';
import type { Action, ObservedPod, PodLifecycle, Waiting } from '../types.ts';

/** A start that failed, until the container has started (kubelet pkg/kubelet/reason_cache.go). */
export interface StartFailure {
  /** `ErrImagePull`, `CreateContainerError` … */
  readonly reason: string;
  readonly message: string;
  /** Not tried again before, ms since the epoch. */
  readonly retryAt: number;
}

/** A step for the whole pod that failed. */
export interface PodFailure extends StartFailure {
  /** `starts`: only what leads to running containers waits; `all`: every step does. */
  readonly blocks: 'starts' | 'all';
}

/** A container's crash-loop back-off (client-go util/flowcontrol/backoff.go). */
export interface CrashLoopEntry {
  /** What, when it changes, starts the back-off anew: image and resources. */
  readonly key: string;
  readonly delayMs: number;
  /** When the container was last started, ms since the epoch. */
  readonly startedAt: number;
}

/** What the worker remembers of a pod beside what can be observed. All of it may be lost with the process. */
export interface PodMemory {
  /** By container name. */
  readonly startFailures: ReadonlyMap<string, StartFailure>;
  /** Volumes, sandbox, stop, removal, clean-up. */
  readonly podFailure: PodFailure | undefined;
  /** By container name. */
  readonly crashLoop: ReadonlyMap<string, CrashLoopEntry>;
  /** This process has prepared the volumes for the pod as it is now. */
  readonly volumesPrepared: boolean;
  /** Ids of sandboxes that this process has stopped: their network is gone, whatever their state said before. */
  readonly stoppedSandboxes: ReadonlySet<string>;
  /** This process has cleaned up after the pod. */
  readonly cleanedUp: boolean;
}

export interface PlanSettings {
  /** First wait after a crash, ms. */
  readonly crashLoopInitialMs: number;
  /** Longest wait after a crash, ms (KubeletConfiguration crashLoopBackOff.maxContainerRestartPeriod). */
  readonly crashLoopMaxMs: number;
  /** A container that ran this long before it ended starts with the first wait again, ms. */
  readonly crashLoopResetMs: number;
}

/** How a pod is being ended. */
export interface Termination {
  /** Seconds from `since` that its containers are given. */
  readonly graceSeconds: number;
  /** When the stopping began, ms since the epoch. */
  readonly since: number;
  /** Nobody wants its remains: containers and sandboxes are removed, not only stopped. */
  readonly remove: boolean;
  /** A sentence: why it ends. */
  readonly reason: string;
}

export interface PlanInput {
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
  readonly lifecycle: PodLifecycle;
  /** Given exactly when `lifecycle` is not `syncing`. */
  readonly termination: Termination | undefined;
  readonly memory: PodMemory;
  /** The last status that was reported: what is known of containers that the runtime has no more. */
  readonly previous: PodStatus | undefined;
  readonly probes: ProbeReader;
  readonly settings: PlanSettings;
  /** ms since the epoch. */
  readonly now: number;
}

export interface Plan {
  /** To be given to the executor as they are; empty: nothing to do now. */
  readonly actions: readonly Action[];
  /** When to plan again if nothing else happens before, ms since the epoch. */
  readonly wakeAt?: number;
  readonly waiting: readonly Waiting[];
  /** Its containers have ended for good: the pod is done and is to be terminated. Only while syncing. */
  readonly finished: boolean;
}
