/** What a worker knows of its pod. */
import type { Pod } from '../../api/types.ts';
import type { Rejection } from '../admission/types.ts';
import type { CrashLoopEntry, PodFailure, PodMemory, StartFailure, Termination } from '../plan/types.ts';
import type { PhaseOverride } from '../status/types.ts';
import type { Action, PodLifecycle, Waiting } from '../types.ts';

/** {@link PodMemory} as its owner has it. */
export interface WorkerMemory extends PodMemory {
  startFailures: Map<string, StartFailure & { readonly count: number }>;
  podFailure: PodFailure | undefined;
  /** Failures of steps for the whole pod in a row. */
  podFailures: number;
  crashLoop: Map<string, CrashLoopEntry>;
  volumesPrepared: boolean;
  stoppedSandboxes: Set<string>;
  cleanedUp: boolean;
}

export interface Execution {
  readonly actions: readonly Action[];
  readonly since: number;
  /** Aborted when the plan has been overtaken. */
  readonly interrupt: AbortController;
}

export interface WorkerState {
  pod: Pod;
  /** A source still names it. */
  desired: boolean;
  /** Only the runtime has it: everything known of it comes from labels. */
  readonly orphan: boolean;
  lifecycle: PodLifecycle;
  termination: Omit<Termination, 'remove'> | undefined;
  override: PhaseOverride | undefined;
  admission: 'pending' | 'admitted' | Rejection;
  readonly memory: WorkerMemory;
  execution: Execution | undefined;
  /** What is known of it is older than what was last done to it. */
  outdated: boolean;
  waiting: readonly (Waiting & { readonly since: number })[];
  wakeAt: number | undefined;
  /** By container id. */
  readonly messages: Map<string, string>;
  /** A pod of this UID came back while this one was ending (static pods, whose UID is the manifest's hash). */
  successor: Pod | undefined;
}

export function newWorkerState(pod: Pod, orphan: boolean): WorkerState {
  return {
    pod,
    desired: !orphan,
    orphan,
    lifecycle: 'syncing',
    termination: undefined,
    override: undefined,
    admission: 'pending',
    memory: {
      startFailures: new Map(),
      podFailure: undefined,
      podFailures: 0,
      crashLoop: new Map(),
      volumesPrepared: false,
      stoppedSandboxes: new Set(),
      cleanedUp: false,
    },
    execution: undefined,
    // What was seen of an orphan may be the last trace of a pod that has just been removed.
    outdated: orphan,
    waiting: [],
    wakeAt: undefined,
    messages: new Map(),
    successor: undefined,
  };
}
