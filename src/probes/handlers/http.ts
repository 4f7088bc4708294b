import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { withDeadline } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { isDeadlineExceeded } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import type { ProbeOutcome } from '../types.ts';
import { dialError } from './dial-error.ts';
import { addressOf, headerLines, urlOf, type HttpHeader } from './http-request.ts';

/** Of an answer no more is read (kubelet pkg/probe/http maxRespBodyLength). */
const MAX_BODY = 10 * 1024;
const MAX_REDIRECTS = 10;
/** Those that lead somewhere; other 3xx codes are answers. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

export interface HttpProbe {
  readonly host: string;
  readonly port: number;
  /** `HTTP` or `HTTPS`; certificates are not verified. */
  readonly scheme: string;
  readonly path: string;
  readonly headers: readonly HttpHeader[];
  readonly userAgent: string;
  readonly timeoutMs: number;
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/**
 * Success for codes from 200 to 399 (kubelet pkg/probe/http). Redirects to the same host are followed; one that leads elsewhere is a
 * warning and counts as success. The message of a failure has no body in it: it may hold secrets.
 */
export async function probeHttp(clock: Clock, probe: HttpProbe, signal: AbortSignal): Promise<ProbeOutcome> {
  const url = urlOf(probe);
  try {
    const { status, body } = await withDeadline(clock, 'HTTP probe', probe.timeoutMs, signal, (inner) => follow(url, probe, inner));
    if (status >= 300 && status < 400) return { outcome: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
    if (status >= 200 && status < 300) return { outcome: 'success', output: body };
    return { outcome: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BodyError) throw error;
    const reason = isDeadlineExceeded(error)
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : error instanceof RedirectError
        ? error.message
        : dialError(addressOf(probe), error);
    const asked = `${url.protocol}//${addressOf(probe)}${url.pathname}${url.search}`;
    return { outcome: 'failure', output: `Get ${quote(asked)}: ${reason}` };
  }
}

class RedirectError extends Error {}
/** The answer broke off in the middle: it is not known what the server thinks. */
class BodyError extends Error {}

async function follow(first: URL, probe: HttpProbe, signal: AbortSignal): Promise<Answer> {
  let url = first;
  let address = addressOf(probe);
  let keepHost = true;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await get(url, headerLines(probe, address, keepHost), signal);
    if (!REDIRECTS.includes(answer.status) || answer.location === undefined) return answer;
    const next = parseUrl(answer.location, url);
    if (next === undefined) throw new RedirectError(`failed to parse Location header ${quote(answer.location)}`);
    if (next.hostname !== first.hostname) return answer;
    if (redirects + 1 >= MAX_REDIRECTS) throw new RedirectError(`stopped after ${MAX_REDIRECTS} redirects`);
    if (next.protocol !== 'http:' && next.protocol !== 'https:') {
      throw new RedirectError(`unsupported protocol scheme ${quote(next.protocol.slice(0, -1))}`);
    }
    keepHost = keepHost && parseUrl(answer.location) === undefined; // a relative one stays with the name that was asked for
    url = next;
    address = next.host;
  }
}

function get(url: URL, headers: readonly string[], signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const options: RequestOptions = {
    host,
    port: url.port,
    path: url.pathname + url.search,
    method: 'GET',
    headers: [...headers],
    setHost: false,
    agent: false, // a connection of its own, closed afterwards
    signal,
  };
  const sent =
    url.protocol === 'https:'
      ? httpsRequest({ ...options, rejectUnauthorized: false, servername: isIP(host) === 0 ? host : '' })
      : httpRequest(options);
  sent.on('response', (response) => {
    readBody(response).then(resolve, (error: unknown) => reject(new BodyError(`reading the answer failed: ${String(error)}`)));
  });
  sent.on('error', reject);
  sent.end();
  return promise.finally(() => sent.destroy());
}

async function readBody(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    length += chunk.length;
    if (length >= MAX_BODY) break;
  }
  const body = Buffer.concat(chunks).subarray(0, MAX_BODY).toString();
  return { status: response.statusCode ?? 0, location: response.headers.location, body };
}

function parseUrl(text: string, base?: URL): URL | undefined {
  return URL.parse(text, base?.href) ?? undefined;
}
