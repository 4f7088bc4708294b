import type { Clock } from '../../lib/clock.ts';
import { UnimplementedError } from '../../lib/errors.ts';

/** What a reader of logs may ask for (Kubernetes PodLogOptions; `previous` and `container` choose the file). */
export interface LogOptions {
  readonly follow?: boolean;
  /** Lines from the end; absent: all. */
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  /** Bytes of output, then the end. */
  readonly limitBytes?: number;
  readonly timestamps?: boolean;
  readonly stream?: 'All' | 'Stdout' | 'Stderr';
}

export interface LogRequest {
  /** Absolute path (ContainerStatus.logPath); symlinks are followed. */
  readonly path: string;
  readonly options: LogOptions;
  /** Resolves when the container no longer runs; needed to follow. Resolved at once for a dead container. */
  readonly ended: Promise<void>;
}

export interface LogDeps {
  readonly clock: Clock;
}

/**
 * A container's log, oldest line first, in chunks of whole lines. Reads only as fast as it is consumed. Ends at the end of the
 * file, or, when following, once the container is dead and its log fully read.
 * @throws NotFoundError when there is no such file
 */
export function readLogs(_request: LogRequest, _deps: LogDeps, _signal: AbortSignal): AsyncIterable<Uint8Array> {
  throw new UnimplementedError('log reading is being built');
}
