import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Lets a socket be read to its end although it cannot be written to any more. A peer that answers early and closes (a command that does not
 * read all of its input, a server that refuses an upload) breaks writes, upon which node:net destroys the socket with what the peer
 * said still unread. Here a failed write counts as done; the end, or the error, comes from reading. Other streams are left as they are.
 */
export function hearLastWords(stream: Duplex): void {
  if (!(stream instanceof Socket)) return;
  const tolerant =
    (callback: (error?: Error | null) => void) =>
    (error?: Error | null): void =>
      callback(isBrokenPipe(error) ? null : error);
  const write = stream._write.bind(stream);
  stream._write = (chunk: unknown, encoding, callback) => write(chunk, encoding, tolerant(callback));
  const writev = stream._writev?.bind(stream);
  if (writev) stream._writev = (chunks, callback) => writev(chunks, tolerant(callback));
  const final = stream._final.bind(stream);
  stream._final = (callback) => final(tolerant(callback));
}

function isBrokenPipe(error: Error | null | undefined): boolean {
  return error !== null && error !== undefined && 'code' in error && ['EPIPE', 'ECONNRESET', 'ENOTCONN'].includes(String(error.code));
}
