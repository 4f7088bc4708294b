import type { Duplex } from 'node:stream';

/**
 * Copies both ways until each side has ended and the other has taken all of it, one side at a time (half-close). Resolves then, or as
 * soon as one of them breaks or the signal is aborted; both are destroyed in any case. Never rejects.
 */
export function joinStreams(a: Duplex, b: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const done = (): void => {
      signal.removeEventListener('abort', done);
      a.destroy();
      b.destroy();
      resolve();
    };
    const finishOne = (): void => {
      open -= 1;
      if (open === 0) done();
    };
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.on('error', done);
      from.once('close', () => {
        if (!from.readableEnded || !from.writableFinished) done();
      });
      to.once('finish', finishOne);
      from.pipe(to);
    }
    if (signal.aborted || a.destroyed || b.destroyed) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}
