import type { Clock, Timer } from '../lib/clock.ts';

/** Calls back once when nothing happened for a while. Touching it is cheap: the timer is not restarted each time. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onIdle: () => void;
  #touchedAt: number;
  #timer: Timer | undefined;

  /** A limit of 0 is none. */
  constructor(clock: Clock, limitMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onIdle = onIdle;
    this.#touchedAt = clock.monotonic();
    if (limitMs > 0) this.#arm(limitMs);
  }

  /** Something happened. */
  touch(): void {
    this.#touchedAt = this.#clock.monotonic();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.after(ms, () => {
      const left = this.#touchedAt + this.#limitMs - this.#clock.monotonic();
      if (left > 0) this.#arm(left);
      else this.#onIdle();
    });
  }
}
