import type { Duplex } from 'node:stream';
import { hearLastWords } from './last-words.ts';
import { batchWrites } from './write-batch.ts';

/**
 * Copies both ways until both streams are over, one direction at a time (half-close): the end of one ends the other behind what
 * came before, also when it broke. Then what the other still sends is thrown away until it ends, so abort the signal when that
 * takes too long: it destroys both at once. Never rejects.
 */
export function joinStreams(a: Duplex, b: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const destroyBoth = (): void => {
      a.destroy();
      b.destroy();
    };
    const closed = (other: Duplex): void => {
      open -= 1;
      if (open === 0) {
        signal.removeEventListener('abort', destroyBoth);
        resolve();
        return;
      }
      other.end();
      other.resume();
    };
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.on('error', () => undefined); // its close follows
      if (from.closed) queueMicrotask(() => closed(to));
      else from.once('close', () => closed(to));
      hearLastWords(from);
      copy(from, to);
    }
    if (signal.aborted) destroyBoth();
    else signal.addEventListener('abort', destroyBoth, { once: true });
  });
}

function copy(from: Duplex, to: Duplex): void {
  const batch = batchWrites(to);
  from.on('data', (chunk: Buffer) => {
    if (to.writableEnded || to.destroyed) return;
    batch();
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.once('end', () => to.end());
}
