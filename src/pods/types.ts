/**
 * What goes round the loop: what is observed of a pod, the actions that a plan consists of, and the doors through which other
 * rooms look at pods. Only types: any room may import this file.
 */
import type { Pod } from '../api/types.ts';
import type { ContainerStatus, PodSandboxStatus } from '../runtime/types.ts';

/** Everything the runtime has of one pod, the dead included (kubelet: kubecontainer.PodStatus). Immutable. */
export interface ObservedPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Newest attempt first. */
  readonly sandboxes: readonly PodSandboxStatus[];
  /** Every container of every sandbox, newest first. */
  readonly containers: readonly ObservedContainer[];
  /** When this was read from the runtime, ms since the epoch. */
  readonly observedAt: number;
}

export interface ObservedContainer extends ContainerStatus {
  /**
   * The sandbox it belongs to, from the runtime's list or event. Absent: taken to be the newest sandbox that is not younger than
   * the container (wrong after the machine's clock has jumped back).
   */
  readonly podSandboxId?: string;
}

/** What is: the only way to learn the runtime's state in order to decide. Filled by the PLEG. */
export interface PodCache {
  /** `undefined`: the runtime has nothing of this pod (only meaningful once `synced` has resolved). */
  get(uid: string): ObservedPod | undefined;
  /** UIDs of every pod the runtime has anything of. */
  uids(): readonly string[];
  /** Asks the runtime now and stores the answer; after own actions, so that the next plan sees their effect. */
  refresh(uid: string, signal: AbortSignal): Promise<ObservedPod | undefined>;
  /** Called after an entry has changed (also to nothing). Answers the function that ends the subscription. */
  onChange(listener: (uid: string) => void): () => void;
  /** Resolves after the first full list. */
  readonly synced: Promise<void>;
}

/** What should be: the pod manager as other rooms see it. */
export interface PodLookup {
  get(uid: string): Pod | undefined;
  byName(namespace: string, name: string): Pod | undefined;
  /** Every pod of this node except mirror pods' static originals' duplicates: one entry a pod. */
  list(): readonly Pod[];
}

export type ContainerKind = 'init' | 'app' | 'ephemeral';

/** Arguments of each action. One map: the Action union and the executor's table both derive from it. */
export interface ActionArguments {
  /** Pod directories, pod cgroup; then the volumes, waited for. Idempotent. */
  prepareVolumes: Record<never, never>;
  /** A new sandbox. Containers started in the same plan are created while it starts. */
  createSandbox: { readonly attempt: number };
  /** Image by pull policy, create, start, post-start hook. `sandboxId` absent: the sandbox created by this same plan. */
  startContainer: {
    readonly container: string;
    readonly containerKind: ContainerKind;
    /** Becomes the container's attempt and restart count. */
    readonly attempt: number;
    readonly sandboxId?: string;
  };
  /** Pre-stop hook, stop signal, grace, kill. */
  stopContainer: {
    readonly id: string;
    readonly container: string;
    readonly graceSeconds: number;
    /** Text of the Killing event. */
    readonly message: string;
    /** Set when a failed liveness or startup probe is why. */
    readonly probeGraceSeconds?: number;
  };
  stopSandbox: { readonly id: string };
  removeContainer: { readonly id: string; readonly container: string };
  removeSandbox: { readonly id: string };
  /** In-place change of a running container's resources. */
  updateContainerResources: { readonly id: string; readonly container: string };
  /** Unmounts, removes what the volumes left, removes the pod's cgroup. Only when nothing of the pod runs. */
  cleanUp: Record<never, never>;
}

export type ActionKind = keyof ActionArguments;

/** One step of a plan. `reason` is a sentence for a person: why this is done now. */
export type Action = { [Kind in ActionKind]: { readonly kind: Kind; readonly reason: string } & ActionArguments[Kind] }[ActionKind];

export type ActionOf<Kind extends ActionKind> = Extract<Action, { readonly kind: Kind }>;

/**
 * Why a step failed, in the words that go into a container's waiting state or an event (`ErrImagePull`, `CreateContainerConfigError`,
 * `CreateContainerError`, `RunContainerError`, `FailedMount`, `FailedCreatePodSandBox`, `PostStartHookError` …).
 */
export interface ActionFailure {
  readonly action: Action;
  readonly reason: string;
  readonly message: string;
  /** The executor has recorded the event already. */
  readonly eventRecorded: boolean;
  readonly error: Error;
  /** When trying again is worth it, ms since the epoch (image pull back-off). Absent: the worker's own back-off. */
  readonly retryAt?: number;
}

export interface ExecutionResult {
  readonly done: readonly Action[];
  readonly failed: readonly ActionFailure[];
  /** Not tried because an earlier step that they need failed. */
  readonly skipped: readonly Action[];
}

/** What the executor is given beside the actions. */
export interface ExecutionContext {
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
}

/**
 * Carries out plans; nothing else starts or stops a container. Never throws for a failed step: failures are in the result.
 * Order: volumes before containers; a new sandbox overlaps with image pulls and container creation; app containers start in
 * list order; stops of several containers begin at the same time, a sidecar's signal waiting for its turn; removals come after stops,
 * starts too.
 */
export interface PlanExecutor {
  execute(context: ExecutionContext, actions: readonly Action[], signal: AbortSignal): Promise<ExecutionResult>;
}

/** Where a pod is in its life on this node. It only ever moves forward. */
export type PodLifecycle = 'syncing' | 'terminating' | 'terminated';

/** One thing that a pod waits for, in words for a person and for the status. */
export interface Waiting {
  /** The container that waits; absent: the whole pod. */
  readonly container?: string;
  /** `CrashLoopBackOff`, `ErrImagePull`, `FailedMount`, `PodInitializing`, `Terminating` … */
  readonly reason: string;
  readonly message: string;
  /** When the wait ends by itself or is tried again, ms since the epoch. */
  readonly until?: number;
}

/** What the agent is doing with a pod and why. */
export interface PodExplanation {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly lifecycle: PodLifecycle;
  /** Being carried out now. */
  readonly executing: readonly Action[];
  /** Since when, ms since the epoch; absent while nothing is carried out. */
  readonly executingSince?: number;
  readonly waiting: readonly (Waiting & { readonly since: number })[];
  /** When the worker will look again without being asked, ms since the epoch. */
  readonly wakeAt?: number;
}
