/** Time as a parameter: the only file that may read the clock or start a timer (held by lint). */

/** A timer that has been started. Cancelling it twice, or after it has fired, does nothing. */
export interface Timer extends Disposable {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes backwards. For durations and deadlines. */
  monotonic(): number;
  /** Calls `callback` once after `ms` milliseconds. Does not keep the process alive by itself. */
  after(ms: number, callback: () => void): Timer;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longest delay of a Node timer; longer ones fire at once, so they are cut into pieces. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    let handle: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(Math.max(left, 0), MAX_TIMER_MS);
      handle = setTimeout(() => {
        if (left > step) arm(left - step);
        else callback();
      }, step);
      handle.unref();
    };
    arm(ms);
    const cancel = (): void => clearTimeout(handle);
    return { cancel, [Symbol.dispose]: cancel };
  },
  sleep(ms, signal) {
    return sleepOn(systemClock, ms, signal);
  },
};

/** `Clock.sleep` in terms of `Clock.after`, shared by every clock. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
