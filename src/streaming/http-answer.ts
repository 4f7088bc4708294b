import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** Answers an upgrade request with plain text instead of a new protocol, and closes its connection. */
export function answerHttp(socket: Duplex, status: number, text: string, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(`${text}\n`);
  const all = {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': String(body.length),
    Connection: 'close',
    ...headers,
  };
  socket.on('error', () => undefined); // the client may be gone before it reads why
  socket.resume();
  socket.end(Buffer.concat([responseHead(status, STATUS_CODES[status] ?? 'Unknown', Object.entries(all)), body]));
}

/** The head of an HTTP/1.1 response. Line breaks in values are dropped: what a client sent may be quoted in them. */
export function responseHead(status: number, reason: string, headers: Iterable<readonly [string, string]>): Buffer {
  const lines = [`HTTP/1.1 ${status} ${reason}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value.replace(/[\r\n]+/g, ' ')}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
