import { abortable } from '../lib/abort.ts';

/**
 * One at a time for each key, in the order of asking.
 *
 * INVARIANTS
 * - Never two works of one key at once, whether they succeed or fail.
 * - A caller that is aborted while it waits leaves the line without its work having begun, and the next one's turn comes.
 * - A key that nobody uses takes no memory.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `work` when it is its turn. @throws the signal's reason while waiting; what `work` throws */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => done);
    this.#tails.set(key, tail);
    try {
      await abortable(before, signal);
      return await work();
    } finally {
      release();
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }
}
