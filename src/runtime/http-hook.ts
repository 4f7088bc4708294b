import http from 'node:http';
import https from 'node:https';
import { isIPv6 } from 'node:net';
import { resolveContainerPort } from '../api/int-or-string.ts';
import type { LifecycleHandler } from '../api/types.ts';
import type { HookRequest } from './ports.ts';

type HttpGet = NonNullable<LifecycleHandler['httpGet']>;
type Headers = readonly { readonly name: string; readonly value: string }[];

/** net/http's limit. */
const MAX_REDIRECTS = 10;
const USER_AGENT = 'kube-lifecycle/1.37';

/** @throws InvalidInputError for a port that the container does not have */
export function hookUrl({ scheme = 'HTTP', path = '', port }: HttpGet, host: string, container: HookRequest['container']): URL {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${resolveContainerPort(port, container)}`;
  return new URL(`${scheme.toLowerCase()}://${authority}${path.startsWith('/') ? '' : '/'}${path}`);
}

/** Resolves when there is an answer, whatever it says. Redirects are followed on the same host; certificates are not verified. */
export async function callHttpHook(url: URL, headers: Headers, signal: AbortSignal): Promise<void> {
  let next = url;
  for (let redirects = 0; ; redirects += 1) {
    const location = await request(next, headers, signal);
    if (location === undefined) return;
    const target = new URL(location, next);
    if (target.hostname !== url.hostname || !/^https?:$/.test(target.protocol)) return;
    if (redirects === MAX_REDIRECTS) throw new Error(`stopped after ${MAX_REDIRECTS} redirects`);
    next = target;
  }
}

/** Whether an HTTPS request failed because the other side speaks plain HTTP. */
export function isPlainHttpAnswer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ERR_SSL_WRONG_VERSION_NUMBER' || error.code === 'EPROTO');
}

/** Where it redirects to. */
function request(url: URL, headers: Headers, signal: AbortSignal): Promise<string | undefined> {
  const sent: Record<string, string> = { 'user-agent': USER_AGENT, accept: '*/*' };
  for (const { name, value } of headers) sent[name.toLowerCase()] = value;
  const options: https.RequestOptions = { method: 'GET', headers: sent, signal, agent: false, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const onResponse = (response: http.IncomingMessage): void => {
      const { statusCode = 0 } = response;
      resolve(statusCode >= 300 && statusCode < 400 ? response.headers.location : undefined);
      response.destroy(); // the body is not looked at
    };
    const call = url.protocol === 'https:' ? https.request(url, options, onResponse) : http.request(url, options, onResponse);
    call.on('error', reject);
    call.end();
  });
}
