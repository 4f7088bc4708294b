import { open } from 'node:fs/promises';
import { TERMINATION_MESSAGE_PATH_ANNOTATION, TERMINATION_MESSAGE_POLICY_ANNOTATION } from '../api/container-labels.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import { readLogTail } from './logs/read-log-tail.ts';
import type { ContainerStatus } from './types.ts';

/** kubelet pkg/kubelet/container/runtime.go MaxContainerTerminationMessageLength. */
const MAX_MESSAGE_BYTES = 4096;
/** MaxContainerTerminationMessageLogLength and -LogLines: what is taken from the log instead. */
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/** Reads what a dead container left to say, for `terminated.message`. */
export interface TerminationMessages {
  /**
   * Message of an exited container: the runtime's own, then the termination log or, with FallbackToLogsOnError, the end of the log.
   * Empty when there is none. Problems with reading become the message.
   */
  read(container: ContainerStatus, signal: AbortSignal): Promise<string>;
}

/** kubelet kuberuntime_container.go convertToKubeContainerStatus. */
export function createTerminationMessages({ clock }: { readonly clock: Clock }): TerminationMessages {
  return {
    async read(container, signal) {
      if (container.state !== 'exited') return container.message;
      const { message, checkLog } = await fromFile(container);
      const own = checkLog ? await fromLog(container, clock, signal) : message;
      return [container.message, own].filter((part) => part !== '').join(': ');
    },
  };
}

async function fromFile(container: ContainerStatus): Promise<{ message: string; checkLog: boolean }> {
  const path = container.annotations[TERMINATION_MESSAGE_PATH_ANNOTATION] ?? '';
  const fallsBack = container.annotations[TERMINATION_MESSAGE_POLICY_ANNOTATION] === 'FallbackToLogsOnError';
  // What could not even be started has no log.
  const checkLog = fallsBack && container.exitCode !== 0 && container.reason !== 'ContainerCannotRun';
  const file = path === '' ? undefined : container.mounts.find(({ containerPath }) => containerPath === path)?.hostPath;
  if (file === undefined) return { message: '', checkLog };
  try {
    const message = await readEnd(file, MAX_MESSAGE_BYTES);
    return { message, checkLog: checkLog && message === '' };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { message: '', checkLog };
    return { message: `Error on reading termination log ${file}: ${errorMessage(error)}`, checkLog: false };
  }
}

async function fromLog({ logPath }: ContainerStatus, clock: Clock, signal: AbortSignal): Promise<string> {
  try {
    return await readLogTail(logPath, MAX_LOG_LINES, MAX_LOG_BYTES, { clock }, signal);
  } catch (error) {
    signal.throwIfAborted();
    return `Error on reading termination message from logs: ${errorMessage(error)}`;
  }
}

/** The container may have written any amount: only the end is read. */
async function readEnd(path: string, maxBytes: number): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
