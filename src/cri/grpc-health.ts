import type { ServiceError } from '@grpc/grpc-js';
import { isIPv6 } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';

/** One question of the gRPC health protocol (grpc.health.v1.Health/Check). */
export interface GrpcHealthRequest {
  readonly host: string;
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
  readonly timeoutMs: number;
}

/** A serving status by its name, or at which step it failed. */
export type GrpcHealthAnswer =
  | { readonly outcome: 'answered'; readonly status: string }
  | {
      readonly outcome: 'connect-timeout' | 'connect-failed' | 'unimplemented' | 'call-timeout' | 'call-failed';
      readonly message: string;
    };

/** HealthCheckResponse.ServingStatus by number. */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const METHOD = '/grpc.health.v1.Health/Check';

/** Answers are a few bytes; a larger one is not health's. */
const MAX_ANSWER_BYTES = 4096;

/**
 * Asks on a connection of its own, as the kubelet does (pkg/probe/grpc/grpc.go): probes must not be kept alive by each other.
 * gRPC is loaded at the first use. The two messages have one field each, so they are written and read here.
 */
export async function checkGrpcHealth(request: GrpcHealthRequest, clock: Clock, signal: AbortSignal): Promise<GrpcHealthAnswer> {
  signal.throwIfAborted();
  const grpc = await import('@grpc/grpc-js');
  const { host, port, service, timeoutMs } = request;
  const target = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  const deadline = clock.now() + timeoutMs;
  const client = new grpc.Client(target, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.primary_user_agent': 'kube-probe/1.37',
  });
  const onAbort = (): void => client.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const refused = await new Promise<Error | undefined>((resolve) => client.waitForReady(deadline, resolve));
    signal.throwIfAborted();
    if (refused !== undefined) return connectFailure(refused, clock.now() >= deadline);
    return await new Promise<GrpcHealthAnswer>((resolve) => {
      client.makeUnaryRequest(METHOD, encodeRequest, decodeStatus, service, { deadline }, (error, status) => {
        resolve(
          error === null ? { outcome: 'answered', status: SERVING_STATUS[status ?? 0] ?? 'UNKNOWN' } : callFailure(error, grpc.status),
        );
      });
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    client.close();
  }
}

function connectFailure(error: Error, late: boolean): GrpcHealthAnswer {
  return { outcome: late ? 'connect-timeout' : 'connect-failed', message: errorMessage(error) };
}

function callFailure(
  error: ServiceError,
  status: { readonly UNIMPLEMENTED: number; readonly DEADLINE_EXCEEDED: number },
): GrpcHealthAnswer {
  const code: number = error.code;
  const outcome = code === status.UNIMPLEMENTED ? 'unimplemented' : code === status.DEADLINE_EXCEEDED ? 'call-timeout' : 'call-failed';
  return { outcome, message: error.details };
}

/** HealthCheckRequest: field 1, the service's name. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  return name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
}

/** HealthCheckResponse: field 1, the status as a varint; absent means UNKNOWN. */
function decodeStatus(message: Buffer): number {
  return message[0] === 0x08 ? (message[1] ?? 0) : 0;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
