import type { ContainerEventType, ContainerState, PodSandboxState } from '../runtime/types.ts';
import type { ContainerInspection } from './engine.ts';

/** What an inspection means in CRI's words. */
export interface InterpretedState {
  readonly state: ContainerState;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly exitCode: number;
  /** `OOMKilled`, `Completed`, `Error`, `ContainerCannotRun` or empty. */
  readonly reason: string;
  readonly message: string;
}

/**
 * Interprets the engine's state (dockershim container_status.go): a container that has never run but has an exit code is one whose
 * start failed; its times are those of its creation, since it has no others.
 */
export function interpretState(container: ContainerInspection): InterpretedState {
  const { startedAt, finishedAt, exitCode, error: message } = container;
  switch (container.status) {
    case 'running':
    case 'paused':
    case 'restarting':
      return { state: 'running', startedAt, finishedAt: 0n, exitCode: 0, reason: '', message };
    case 'created':
    case 'exited':
    case 'dead':
    case 'removing': {
      // After a failed second start the engine keeps the times of the first run: the failure is told by the error alone.
      if (finishedAt !== 0n) {
        const reason = container.oomKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error';
        return { state: 'exited', startedAt, finishedAt, exitCode, reason, message };
      }
      if (exitCode !== 0) {
        const at = container.createdAt;
        return { state: 'exited', startedAt: at, finishedAt: at, exitCode, reason: 'ContainerCannotRun', message };
      }
      return { state: 'created', startedAt: 0n, finishedAt: 0n, exitCode: 0, reason: '', message };
    }
  }
}

/** A sandbox is ready while its pause container runs. */
export function sandboxState(container: ContainerInspection): PodSandboxState {
  return container.status === 'running' ? 'ready' : 'notready';
}

const ORDER: Readonly<Record<ContainerState, number>> = { unknown: 0, created: 1, running: 2, exited: 3 };

/** The steps of a container's life from one inspection to the next, the ones that were passed over included. */
export function stepsBetween(before: ContainerInspection | undefined, after: ContainerInspection): ContainerEventType[] {
  const then = before === undefined ? 'unknown' : interpretState(before).state;
  const { state: now, reason } = interpretState(after);
  if (now === then) return [];
  const hasRun = now === 'running' || (now === 'exited' && reason !== 'ContainerCannotRun');
  const steps: ContainerEventType[] = [];
  if (then === 'unknown') steps.push('created');
  if (hasRun && (ORDER[then] < ORDER.running || now === 'running')) steps.push('started');
  if (now === 'exited') steps.push('stopped');
  return steps;
}
