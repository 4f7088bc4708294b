import type { IncomingMessage } from 'node:http';
import { InvalidInputError } from '../lib/errors.ts';
import { answerHttp, responseHead } from './http-answer.ts';
import { ACCEPTED_PROTOCOL_VERSIONS_HEADER, PROTOCOL_VERSION_HEADER, SPDY_UPGRADE, TUNNEL_PREFIX } from './protocols.ts';
import type { UpgradeRequest } from './types.ts';

/** Protocols quoted in an error message, at most: a client may name thousands. */
const MAX_QUOTED_CHARACTERS = 500;

/** The client asks for a WebSocket. */
export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return asksForUpgrade(request) && (request.headers.upgrade ?? '').toLowerCase() === 'websocket';
}

/** The client asks for SPDY/3.1. */
export function isSpdyUpgrade(request: IncomingMessage): boolean {
  return asksForUpgrade(request) && (request.headers.upgrade ?? '').toLowerCase().includes(SPDY_UPGRADE.toLowerCase());
}

/** The client asks for a WebSocket that carries SPDY (apimachinery wsstream.IsWebSocketRequestWithTunnelingProtocol). */
export function isTunnelUpgrade(request: IncomingMessage): boolean {
  return isWebSocketUpgrade(request) && webSocketProtocols(request).some(isTunnelProtocol);
}

export function isTunnelProtocol(protocol: string): boolean {
  return protocol.startsWith(TUNNEL_PREFIX) && protocol.endsWith('.k8s.io');
}

/** WebSocket sub-protocols that the client offers, best first. */
export function webSocketProtocols(request: IncomingMessage): string[] {
  return commaSeparated(request.headers['sec-websocket-protocol']);
}

/**
 * Agrees on a sub-protocol and switches the connection to SPDY/3.1 (k8s.io/streaming httpstream.Handshake and spdy/upgrade.go).
 * @throws InvalidInputError after the client was answered 400 or 403
 */
export function switchToSpdy(upgrade: UpgradeRequest, supported: readonly string[]): string {
  const { request, socket } = upgrade;
  const refuse = (status: number, text: string, headers: Record<string, string> = {}): never => {
    answerHttp(socket, status, text, headers);
    throw new InvalidInputError(text);
  };
  if (!isSpdyUpgrade(request)) refuse(400, 'unable to upgrade: missing upgrade headers in request');
  const header = request.headers[PROTOCOL_VERSION_HEADER.toLowerCase()];
  if (header === undefined) refuse(400, `unable to upgrade: header ${PROTOCOL_VERSION_HEADER} does not exist in request`);
  const offered = commaSeparated(Array.isArray(header) ? header.join(',') : header);
  if (offered.length === 0) refuse(400, `unable to upgrade: header ${PROTOCOL_VERSION_HEADER} names no protocols`);
  const chosen = offered.find((protocol) => supported.includes(protocol));
  if (chosen === undefined) {
    return refuse(403, mismatch(offered, supported), { [ACCEPTED_PROTOCOL_VERSIONS_HEADER]: supported.join(', ') });
  }
  const headers = { Connection: 'Upgrade', Upgrade: SPDY_UPGRADE, [PROTOCOL_VERSION_HEADER]: chosen };
  socket.write(responseHead(101, 'Switching Protocols', Object.entries(headers)));
  return chosen;
}

/** Why no protocol fits, for the client. */
export function mismatch(offered: readonly string[], supported: readonly string[]): string {
  const quoted = offered.join(' ').slice(0, MAX_QUOTED_CHARACTERS);
  return `unable to upgrade: unable to negotiate protocol: client supports [${quoted}], server accepts [${supported.join(' ')}]`;
}

function asksForUpgrade(request: IncomingMessage): boolean {
  return (request.headers.connection ?? '').toLowerCase().includes('upgrade');
}

function commaSeparated(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
