/** What went wrong with a connection, in the words people know from Kubernetes' events. */
import { isIPv6 } from 'node:net';

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  ECONNRESET: 'read: connection reset by peer',
};

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function hostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

export function dialError(address: string, error: unknown): string {
  if (!(error instanceof Error)) return `dial tcp ${address}: ${String(error)}`;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${address}: no such host`;
  return `dial tcp ${address}: ${WORDS[code] ?? error.message}`;
}
