import { WebSocketServer, type WebSocket } from 'ws';
import { InvalidInputError } from '../../lib/errors.ts';
import { answerHttp } from '../http-answer.ts';
import { mismatch, webSocketProtocols } from '../negotiate.ts';
import type { UpgradeRequest } from '../types.ts';

/** Longest message from a client, in bytes (golang.org/x/net/websocket DefaultMaxPayloadBytes). */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** Pongs that may wait for a client that pings and does not read; beyond, its pings are not answered. */
const MAX_PONG_BACKLOG_BYTES = 64 * 1024;

export interface AcceptedWebSocket {
  readonly webSocket: WebSocket;
  /** Empty when the client named none. */
  readonly protocol: string;
}

/**
 * Agrees on a sub-protocol, the first of the client's that is supported, and answers the handshake.
 * @throws InvalidInputError after the client was answered 400 or 403
 */
export function acceptWebSocket(upgrade: UpgradeRequest, supported: readonly string[]): AcceptedWebSocket {
  const { request, socket, head } = upgrade;
  const offered = webSocketProtocols(request);
  const protocol = (offered.length === 0 ? [''] : offered).find((name) => supported.includes(name));
  if (protocol === undefined) {
    const text = mismatch(offered, supported);
    answerHttp(socket, 403, text);
    throw new InvalidInputError(text);
  }
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    autoPong: false,
  });
  // ws refuses a sub-protocol with a slash in it (SPDY/3.1+portforward.k8s.io), so it is agreed on beside ws.
  delete request.headers['sec-websocket-protocol'];
  if (protocol !== '') server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  let failure = new InvalidInputError('the WebSocket handshake failed');
  server.on('wsClientError', (error, client) => {
    failure = new InvalidInputError(`the WebSocket handshake failed: ${error.message}`);
    answerHttp(client, 400, failure.message);
  });
  let accepted: WebSocket | undefined;
  server.handleUpgrade(request, socket, head, (webSocket) => {
    accepted = webSocket;
  });
  if (accepted === undefined) throw failure;
  answerPings(accepted);
  return { webSocket: accepted, protocol };
}

function answerPings(webSocket: WebSocket): void {
  webSocket.on('ping', (payload) => {
    if (webSocket.bufferedAmount <= MAX_PONG_BACKLOG_BYTES) webSocket.pong(payload);
  });
}
