/** What an HTTP probe asks for (kubelet pkg/probe/http/request.go). */
import { hostPort } from './dial-error.ts';

export interface HttpHeader {
  readonly name: string;
  readonly value: string;
}

export interface HttpRequestOf {
  readonly host: string;
  readonly port: number;
  readonly scheme: string;
  readonly path: string;
  readonly headers: readonly HttpHeader[];
  readonly userAgent: string;
}

/** Only path and query of the probe's path count, even when it looks like a whole URL. */
export function urlOf({ scheme, host, port, path }: HttpRequestOf): URL {
  const base = `${scheme.toLowerCase() === 'https' ? 'https' : 'http'}://${hostPort(host, port)}/`;
  const url = new URL(base);
  const given = URL.parse(path, base) ?? new URL(base);
  url.pathname = given.pathname;
  url.search = given.search;
  return url;
}

/** As Go writes it in errors and in the Host header: always with the port. */
export function addressOf({ host, port }: HttpRequestOf): string {
  return hostPort(host, port);
}

/**
 * Names and values in turn, repeated names kept: the probe's own and what it leaves out of Host, User-Agent and Accept. An empty
 * Accept removes it; a Host of its own replaces `address`.
 */
export function headerLines(request: HttpRequestOf, address: string, keepHost: boolean): readonly string[] {
  const own = (name: string): string | undefined => request.headers.find((header) => header.name.toLowerCase() === name)?.value;
  const host = keepHost ? own('host') : undefined;
  const lines = ['Host', host === undefined || host === '' ? address : host];
  if (own('user-agent') === undefined) lines.push('User-Agent', request.userAgent);
  if (own('accept') === undefined) lines.push('Accept', '*/*');
  for (const { name, value } of request.headers) {
    const lower = name.toLowerCase();
    if (lower !== 'host' && (lower !== 'accept' || value !== '')) lines.push(name, value);
  }
  return [...lines, 'Connection', 'close'];
}
