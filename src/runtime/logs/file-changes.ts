import { watch, type FSWatcher } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';

/** Safety net for changes that no notification tells (a directory that cannot be watched, a network file system). */
const POLL_MS = 10_000;
/** Where nothing can be watched: inotify's limits are reached. */
const UNWATCHED_POLL_MS = 1_000;

/** Tells when something in a directory may have changed, without asking for it over and over. */
export class FileChanges implements Disposable {
  readonly #clock: Clock;
  readonly #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(directory: string, clock: Clock) {
    this.#clock = clock;
    this.#watcher = watchOrNot(directory, () => this.notify());
  }

  /** Something else than the directory has changed. */
  notify(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Resolves after a change since the last call, or once in a while. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#changed) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = this.#clock.after(this.#watcher ? POLL_MS : UNWATCHED_POLL_MS, resolve);
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#wake = resolve;
      try {
        await promise;
      } finally {
        this.#wake = undefined;
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      }
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}

function watchOrNot(directory: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, onChange);
    watcher.on('error', onChange); // the directory is gone: whoever waits finds that out
    return watcher;
  } catch {
    return undefined; // no directory or no watches left: polled instead
  }
}
