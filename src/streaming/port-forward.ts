import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import type { Timer } from '../lib/clock.ts';
import { InvalidInputError } from '../lib/errors.ts';
import { answerHttp } from './http-answer.ts';
import type { MuxStream } from './mux-stream.ts';
import { isTunnelUpgrade, isWebSocketUpgrade, switchToSpdy } from './negotiate.ts';
import { ProtocolPortForwardSession, StreamPair } from './port-forward-session.ts';
import { PORT_FORWARD_PROTOCOL, TUNNELED_PORT_FORWARD_PROTOCOL, WEBSOCKET_PORT_FORWARD_PROTOCOLS } from './protocols.ts';
import type { SessionSettings } from './remote-command.ts';
import { SpdyConnection, type StreamHandler } from './spdy/connection.ts';
import type { SpdyHeaders } from './spdy/header-block.ts';
import { endStream } from './streams-end.ts';
import type { PortForwardSession, UpgradeRequest } from './types.ts';
import { acceptWebSocket } from './websocket/accept.ts';
import { WebSocketChannels } from './websocket/channels.ts';

const MAX_PORT = 0xffff;
/** Each port takes two channels, whose numbers are a byte, and 255 is taken. */
const MAX_WEBSOCKET_PORTS = 127;

/**
 * Agrees with the client on SPDY/3.1, SPDY in a WebSocket, or a WebSocket with two channels for each of `ports`. Aborting the
 * signal ends the session at any time.
 * @throws InvalidInputError after the client was answered
 */
export async function acceptPortForward(
  upgrade: UpgradeRequest,
  ports: readonly number[],
  settings: SessionSettings,
  signal: AbortSignal,
): Promise<PortForwardSession> {
  const session = accept(upgrade, ports, settings);
  const onAbort = (): void => session.close();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  session.signal.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true });
  return session;
}

function accept(upgrade: UpgradeRequest, ports: readonly number[], settings: SessionSettings): PortForwardSession {
  if (isTunnelUpgrade(upgrade.request)) {
    const { webSocket, protocol } = acceptWebSocket(upgrade, [TUNNELED_PORT_FORWARD_PROTOCOL]);
    return serveSpdy(createWebSocketStream(webSocket), Buffer.alloc(0), protocol, settings);
  }
  if (isWebSocketUpgrade(upgrade.request)) return serveChannels(upgrade, ports, settings);
  const protocol = switchToSpdy(upgrade, [PORT_FORWARD_PROTOCOL]);
  return serveSpdy(upgrade.socket, upgrade.head, protocol, settings);
}

/** Two streams with the same request id make a connection (cri-streaming portforward/httpstream.go). */
function serveSpdy(transport: Duplex, head: Buffer, protocol: string, settings: SessionSettings): PortForwardSession {
  const { clock, log, idleTimeoutMs, streamCreationTimeoutMs } = settings;
  const halves = new Map<string, { type: string; stream: MuxStream; timer: Timer }>();
  const takeHalf = (headers: SpdyHeaders, streamId: number): StreamHandler | undefined => {
    const type = headers.get('streamtype') ?? '';
    const port = toPort(headers.get('port') ?? '');
    if (port === undefined || (type !== 'data' && type !== 'error')) return undefined;
    const requestId = headers.get('requestid') ?? pseudoRequestId(type, streamId);
    const other = halves.get(requestId);
    if (other?.type === type) return undefined;
    return (stream) => {
      if (other === undefined) {
        const timer = clock.after(streamCreationTimeoutMs, () => {
          halves.delete(requestId);
          if (type === 'error') void endStream(stream, Buffer.from(`timed out waiting for the data stream of request ${requestId}`));
          else stream.destroy();
        });
        halves.set(requestId, { type, stream, timer });
        return;
      }
      other.timer.cancel();
      halves.delete(requestId);
      const [data, error] = type === 'data' ? [stream, other.stream] : [other.stream, stream];
      session.add(new StreamPair(port, requestId, data, error));
    };
  };
  const connection = new SpdyConnection(transport, head, { role: 'server', clock, log, idleTimeoutMs, accept: takeHalf });
  const session = new ProtocolPortForwardSession(protocol, connection);
  connection.signal.addEventListener('abort', () => halves.forEach(({ timer }) => timer.cancel()), { once: true });
  return session;
}

/** Old clients name no request: an error stream is followed by its data stream (cri-streaming portforward/httpstream.go requestID). */
function pseudoRequestId(type: 'data' | 'error', streamId: number): string {
  return String(type === 'error' ? streamId : streamId - 2);
}

/** Channel 2n is the data of the n-th port, 2n+1 its errors; each begins with the port as two bytes, little-endian. */
function serveChannels(upgrade: UpgradeRequest, ports: readonly number[], settings: SessionSettings): PortForwardSession {
  if (ports.length === 0 || ports.length > MAX_WEBSOCKET_PORTS) {
    const text = `a WebSocket port-forward needs 1 to ${MAX_WEBSOCKET_PORTS} ports, this one has ${ports.length}`;
    answerHttp(upgrade.socket, 400, text);
    throw new InvalidInputError(text);
  }
  const { webSocket, protocol } = acceptWebSocket(upgrade, WEBSOCKET_PORT_FORWARD_PROTOCOLS);
  const connection = new WebSocketChannels(webSocket, { protocol, clock: settings.clock, idleTimeoutMs: settings.idleTimeoutMs });
  const session = new ProtocolPortForwardSession(protocol, connection);
  let open = ports.length;
  const closeBehindLast = (): void => {
    open -= 1;
    if (open === 0) session.close();
  };
  ports.forEach((port, index) => {
    const [data, error] = [connection.channel(index * 2), connection.channel(index * 2 + 1)];
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16LE(port);
    data.write(prefix);
    error.write(prefix);
    session.add(new StreamPair(port, String(index), data, error, closeBehindLast));
  });
  return session;
}

function toPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= MAX_PORT ? port : undefined;
}
