import { once } from 'node:events';
import { connect } from 'node:net';
import { withDeadline } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { isDeadlineExceeded } from '../../lib/errors.ts';
import type { ProbeOutcome } from '../types.ts';
import { dialError, hostPort } from './dial-error.ts';

export interface TcpProbe {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Success when the connection is accepted; nothing is sent (kubelet pkg/probe/tcp). */
export async function probeTcp(clock: Clock, { host, port, timeoutMs }: TcpProbe, signal: AbortSignal): Promise<ProbeOutcome> {
  const address = hostPort(host, port);
  const socket = connect({ host, port });
  try {
    await withDeadline(clock, `dial tcp ${address}`, timeoutMs, signal, (inner) => once(socket, 'connect', { signal: inner }));
    return { outcome: 'success', output: '' };
  } catch (error) {
    signal.throwIfAborted();
    return { outcome: 'failure', output: isDeadlineExceeded(error) ? `dial tcp ${address}: i/o timeout` : dialError(address, error) };
  } finally {
    socket.on('error', () => undefined); // nobody is interested any more
    socket.destroy();
  }
}
