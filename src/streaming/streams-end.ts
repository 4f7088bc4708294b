import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';

/** Ends a stream, behind `last` if given; resolves when all of it was handed on or the stream is broken. Never rejects. */
export async function endStream(stream: Writable, last?: Buffer): Promise<void> {
  if (stream.destroyed || stream.writableFinished) return;
  if (!stream.writableEnded) {
    if (last === undefined || last.length === 0) stream.end();
    else stream.end(last);
  }
  // A peer that is gone has broken the stream, and is told nothing more.
  await finished(stream, { readable: false, cleanup: true }).catch(() => undefined);
}
