import { goDuration } from '../../lib/go-duration.ts';
import { quote } from '../../lib/quote.ts';
import type { GrpcHealthPort, GrpcHealthRequest, ProbeOutcome } from '../types.ts';
import { hostPort } from './dial-error.ts';

/** Success when the service answers SERVING; everything else is a failure (kubelet pkg/probe/grpc). */
export async function probeGrpc(grpc: GrpcHealthPort, request: GrpcHealthRequest, signal: AbortSignal): Promise<ProbeOutcome> {
  const answer = await grpc.check(request, signal);
  const address = quote(hostPort(request.host, request.port));
  const limit = goDuration(request.timeoutMs);
  switch (answer.outcome) {
    case 'answered':
      if (answer.status === 'SERVING') return { outcome: 'success', output: 'service healthy' };
      return failure(`service unhealthy (responded with ${quote(answer.status)})`);
    case 'connect-timeout':
      return failure(`timeout: failed to connect service ${address} within ${limit}: ${answer.message}`);
    case 'connect-failed':
      return failure(`error: failed to connect service at ${address}: ${answer.message}`);
    case 'unimplemented':
      return failure(`error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${answer.message}`);
    case 'call-timeout':
      return failure(`timeout: health rpc did not complete within ${limit}`);
    case 'call-failed':
      return failure(`error: health rpc probe failed: ${answer.message}`);
  }
}

function failure(output: string): ProbeOutcome {
  return { outcome: 'failure', output };
}
