import type { ContainerConfig, ExecSyncResult, PodSandboxConfig } from '../types.ts';

/** How a container of the in-memory runtime behaves. Absent: takes no time, runs until it is stopped, succeeds at everything. */
export interface ContainerScript {
  readonly createMs?: number;
  readonly startMs?: number;
  /** Ends by itself after so long. */
  readonly runMs?: number;
  /** With which it ends by itself. */
  readonly exitCode?: number;
  readonly exitReason?: string;
  /** How long it takes to end after its stop signal; beyond the time-out of the stop it is killed. */
  readonly stopMs?: number;
  readonly createError?: Error;
  readonly startError?: Error;
  readonly exec?: (cmd: readonly string[]) => ExecSyncResult;
}

/** How a sandbox behaves. Absent: takes no time and has the next address of the pod CIDR. */
export interface SandboxScript {
  readonly createMs?: number;
  readonly startMs?: number;
  readonly startError?: Error;
}

/** Decides for each sandbox and container how it behaves. */
export interface Script {
  readonly sandbox?: (config: PodSandboxConfig) => SandboxScript;
  readonly container?: (config: ContainerConfig, sandbox: PodSandboxConfig) => ContainerScript;
}
