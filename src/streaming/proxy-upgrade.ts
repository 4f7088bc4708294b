import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage, UnavailableError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { chosenSpdyProtocol, dialSpdy, dialUpgrade, type SwitchedUpgrade, type UpgradeAnswer } from './dial-upgrade.ts';
import { answerHttp, responseHead } from './http-answer.ts';
import { joinStreams } from './join-streams.ts';
import { isTunnelProtocol, isTunnelUpgrade, isWebSocketUpgrade, webSocketProtocols } from './negotiate.ts';
import { PORT_FORWARD_PROTOCOL, PROTOCOL_VERSION_HEADER, SPDY_REMOTE_COMMAND_PROTOCOLS, TUNNEL_PREFIX } from './protocols.ts';
import { translateRemoteCommand } from './translate-remote-command.ts';
import type { RemoteCommandStreams, UpgradeRequest } from './types.ts';
import { acceptWebSocket } from './websocket/accept.ts';

/** Once one side has ended and the other has all of it, how long that one may take to end too. */
const LINGER_MS = 10_000;

/** What of a request goes on to the runtime: never the caller's credentials. */
const PASSED_HEADERS = [
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  PROTOCOL_VERSION_HEADER.toLowerCase(),
];

export interface ProxyUpgradeOptions {
  /**
   * Whether the runtime understands what an API server sends over WebSocket: our own streaming server does, containerd 1.6 and
   * cri-dockerd know neither version 5 nor tunneled port-forward.
   */
  readonly runtimeSpeaksWebSocket: boolean;
  /** The streams of an exec or attach request; undefined for port-forward. */
  readonly streams: RemoteCommandStreams | undefined;
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Joins an upgrade request to the one-use URL of a runtime's streaming server. SPDY, and any protocol that the runtime speaks, is
 * passed through as bytes; otherwise a WebSocket remote command is translated to SPDY, and SPDY in a WebSocket is unwrapped
 * (apiserver pkg/util/proxy streamtranslator.go, streamtunnel.go). The client gets the runtime's refusal as it is, 500 when the runtime
 * cannot be reached. Resolves when the connection is over; never rejects.
 */
export async function proxyUpgrade(
  upgrade: UpgradeRequest,
  targetUrl: string,
  options: ProxyUpgradeOptions,
  signal: AbortSignal,
): Promise<void> {
  const { socket } = upgrade;
  const gone = new AbortController();
  const onAbort = (): void => gone.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  socket.on('error', (error) => options.log.debug('Client connection of a stream broke', { error: errorMessage(error) }));
  socket.once('close', () => gone.abort(new UnavailableError('the client is gone')));
  try {
    await proxy(upgrade, targetUrl, options, gone.signal);
  } catch (error) {
    options.log.info('Proxying a stream to the container runtime failed', { error: errorMessage(error) });
    socket.destroy();
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function proxy(upgrade: UpgradeRequest, targetUrl: string, options: ProxyUpgradeOptions, signal: AbortSignal): Promise<void> {
  const { request, socket } = upgrade;
  const way = wayOf(request, options);
  let answer: UpgradeAnswer;
  try {
    const target = new URL(targetUrl);
    answer =
      way === 'pass'
        ? await dialUpgrade(target, request.method ?? 'GET', passedHeaders(request), options.clock, signal)
        : await dialSpdy(target, way === 'unwrap' ? tunneledProtocols(request) : SPDY_REMOTE_COMMAND_PROTOCOLS, options.clock, signal);
  } catch (error) {
    options.log.warn('The streaming server of the container runtime did not answer', { error: errorMessage(error) });
    answerHttp(socket, 500, errorMessage(error));
    return;
  }
  if (!answer.switched) {
    answerHttp(socket, answer.status, answer.text);
    return;
  }
  answer.socket.on('error', (error) => options.log.debug('Runtime connection of a stream broke', { error: errorMessage(error) }));
  if (way === 'translate' && options.streams !== undefined) {
    await translateRemoteCommand(upgrade, answer, options.streams, options, signal);
  } else if (way === 'unwrap') await unwrapTunnel(upgrade, answer, options.clock, signal);
  else await passThrough(upgrade, answer, options.clock, signal);
}

function wayOf(request: IncomingMessage, options: ProxyUpgradeOptions): 'pass' | 'unwrap' | 'translate' {
  if (options.runtimeSpeaksWebSocket || !isWebSocketUpgrade(request)) return 'pass';
  if (isTunnelUpgrade(request)) return 'unwrap';
  return options.streams === undefined ? 'pass' : 'translate';
}

function tunneledProtocols(request: IncomingMessage): string[] {
  return webSocketProtocols(request)
    .filter(isTunnelProtocol)
    .map((protocol) => protocol.slice(TUNNEL_PREFIX.length));
}

function passedHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const name of PASSED_HEADERS) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** The runtime's own 101 goes to the client, and then bytes both ways. */
async function passThrough(upgrade: UpgradeRequest, runtime: SwitchedUpgrade, clock: Clock, signal: AbortSignal): Promise<void> {
  const { socket, head } = upgrade;
  const { response } = runtime;
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < response.rawHeaders.length; index += 2) {
    pairs.push([response.rawHeaders[index] ?? '', response.rawHeaders[index + 1] ?? '']);
  }
  socket.write(responseHead(101, 'Switching Protocols', pairs));
  if (head.length > 0) socket.unshift(head);
  await joinBriefly(socket, runtime, clock, signal);
}

/** The client gets a WebSocket whose binary messages are the SPDY connection's bytes. */
async function unwrapTunnel(upgrade: UpgradeRequest, runtime: SwitchedUpgrade, clock: Clock, signal: AbortSignal): Promise<void> {
  const protocol = TUNNEL_PREFIX + chosenSpdyProtocol(runtime.response, PORT_FORWARD_PROTOCOL);
  try {
    const { webSocket } = acceptWebSocket(upgrade, [protocol]);
    await joinBriefly(createWebSocketStream(webSocket), runtime, clock, signal);
  } finally {
    runtime.socket.destroy();
  }
}

/** Neither SPDY nor a WebSocket outlives one side of its connection for long. */
async function joinBriefly(client: Duplex, runtime: SwitchedUpgrade, clock: Clock, signal: AbortSignal): Promise<void> {
  if (runtime.head.length > 0) runtime.socket.unshift(runtime.head);
  const over = new AbortController();
  const timers: Timer[] = [];
  for (const side of [client, runtime.socket]) {
    side.once('finish', () => timers.push(clock.after(LINGER_MS, () => over.abort(new UnavailableError('the other side has ended')))));
  }
  await joinStreams(client, runtime.socket, AbortSignal.any([signal, over.signal]));
  for (const timer of timers) timer.cancel();
}
