import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { UnavailableError } from '../lib/errors.ts';
import { hearLastWords } from './last-words.ts';
import { PROTOCOL_VERSION_HEADER, SPDY_UPGRADE } from './protocols.ts';

/** A streaming server answers an upgrade at once. */
const DIAL_TIMEOUT_MS = 30_000;
/** Longest explanation of a refusal that is passed on, in characters. */
const MAX_REFUSAL_CHARACTERS = 4096;

/** The connection of a streaming server that switched protocols. */
export interface SwitchedUpgrade {
  readonly switched: true;
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that arrived behind the response's header. */
  readonly head: Buffer;
}

/** What a streaming server said to an upgrade request. */
export type UpgradeAnswer = SwitchedUpgrade | { readonly switched: false; readonly status: number; readonly text: string };

/** Asks a container runtime's streaming server to switch protocols. @throws UnavailableError, DeadlineExceededError */
export async function dialUpgrade(
  target: URL,
  method: string,
  headers: OutgoingHttpHeaders,
  clock: Clock,
  signal: AbortSignal,
): Promise<UpgradeAnswer> {
  return withDeadline(clock, 'dialing the streaming server of the container runtime', DIAL_TIMEOUT_MS, signal, (dialing) =>
    exchange(target, { method, headers, agent: false }, dialing),
  );
}

/** The same for SPDY/3.1 with one of the given sub-protocols, best first. */
export function dialSpdy(target: URL, protocols: readonly string[], clock: Clock, signal: AbortSignal): Promise<UpgradeAnswer> {
  const headers = { Connection: 'Upgrade', Upgrade: SPDY_UPGRADE, [PROTOCOL_VERSION_HEADER]: [...protocols] };
  return dialUpgrade(target, 'POST', headers, clock, signal);
}

/** The sub-protocol that a SPDY server chose; those before negotiation was invented speak the first one. */
export function chosenSpdyProtocol(response: IncomingMessage, fallback: string): string {
  const chosen = response.headers[PROTOCOL_VERSION_HEADER.toLowerCase()];
  return typeof chosen === 'string' && chosen !== '' ? chosen : fallback;
}

function exchange(target: URL, options: RequestOptions, signal: AbortSignal): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing =
      target.protocol === 'https:'
        ? // A runtime that serves streams over TLS signs its certificate itself; the kubelet does not verify it either
          // (apimachinery pkg/util/proxy/dial.go). The URL and its token came over the runtime's own socket.
          httpsRequest(target, { ...options, rejectUnauthorized: false })
        : httpRequest(target, options);
    const onAbort = (): void => void outgoing.destroy(new UnavailableError('dialing was given up', { cause: signal.reason }));
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    outgoing.once('error', (error) => {
      settled();
      reject(new UnavailableError(`cannot reach the streaming server at ${target.host}`, { cause: error }));
    });
    outgoing.once('upgrade', (response, socket, head) => {
      settled();
      hearLastWords(socket);
      resolve({ switched: true, response, socket, head });
    });
    outgoing.once('response', (response) => {
      text(response).then((body) => {
        settled();
        resolve({ switched: false, status: response.statusCode ?? 500, text: body.trim().slice(0, MAX_REFUSAL_CHARACTERS) });
      }, reject);
    });
    outgoing.end();
  });
}
