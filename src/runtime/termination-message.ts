import { UnimplementedError } from '../lib/errors.ts';
import type { ContainerStatus } from './types.ts';

/** Reads what a dead container left to say, for `terminated.message`. */
export interface TerminationMessages {
  /**
   * Message of an exited container: the runtime's own, and the termination log or (FallbackToLogsOnError) the end of the log. At
   * most 4096 bytes from the file, 2048 bytes and 80 lines from the log. Never rejects: what went wrong is the message.
   */
  read(status: ContainerStatus, signal: AbortSignal): Promise<string>;
}

export function createTerminationMessages(): TerminationMessages {
  throw new UnimplementedError('termination messages are being built');
}

/** Cuts messages so that all containers of a pod together stay within 12 KiB (kubelet status manager). */
export const MAX_POD_TERMINATION_MESSAGE_BYTES = 12 * 1024;
