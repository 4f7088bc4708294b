import { hasStatusObject } from './protocols.ts';
import type { RemoteCommandResult } from './types.ts';

/** What of a v1.Status goes over the error stream (k8s.io/cri-streaming remotecommand/status.go). */
export interface StreamStatus {
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason: string; readonly message: string }[] };
  readonly code?: number;
}

/** The status of a result, as the kubelet words it (cri-streaming remotecommand/exec.go). */
export function statusOf(result: RemoteCommandResult): StreamStatus {
  if ('error' in result) {
    return { status: 'Failure', message: `Internal error occurred: ${result.error}`, reason: 'InternalError', code: 500 };
  }
  if (result.exitCode === 0) return { status: 'Success' };
  return {
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${result.exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(result.exitCode) }] },
  };
}

/** What the error stream carries for it: before version 4 only the message of a failure. */
export function encodeStatus(status: StreamStatus, protocol: string): Buffer {
  if (hasStatusObject(protocol)) return Buffer.from(JSON.stringify(status));
  return Buffer.from(status.status === 'Success' ? '' : (status.message ?? 'unknown error'));
}

/** What a runtime wrote on its error stream. Before version 4 nothing at all means success; from then on that the stream broke. */
export function decodeStatus(bytes: Buffer, protocol: string): StreamStatus {
  if (!hasStatusObject(protocol)) return bytes.length === 0 ? { status: 'Success' } : statusOf({ error: bytes.toString('utf8') });
  if (bytes.length === 0) return statusOf({ error: 'the container runtime closed the connection without a status' });
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    if (isStreamStatus(parsed)) return parsed;
  } catch {
    return statusOf({ error: 'the container runtime sent a status that is not JSON' });
  }
  return statusOf({ error: 'the container runtime sent a status that is neither Success nor Failure' });
}

function isStreamStatus(value: unknown): value is StreamStatus {
  return typeof value === 'object' && value !== null && 'status' in value && (value.status === 'Success' || value.status === 'Failure');
}
