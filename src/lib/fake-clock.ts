import { sleepOn, type Clock, type Timer } from './clock.ts';

interface Pending {
  readonly at: number;
  readonly sequence: number;
  readonly callback: () => void;
}

/**
 * A clock for tests that moves only when told. Timers fire in order of their time, then of their start; promises that they
 * settle are given turns to run between one timer and the next.
 */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 0;
  #sequence = 0;
  #pending: Pending[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Number of timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#pending.length;
  }

  after(ms: number, callback: () => void): Timer {
    const entry: Pending = { at: this.#elapsed + Math.max(0, ms), sequence: this.#sequence++, callback };
    this.#pending.push(entry);
    const cancel = (): void => {
      this.#pending = this.#pending.filter((other) => other !== entry);
    };
    return { cancel, [Symbol.dispose]: cancel };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves time forward by `ms`, firing what becomes due, and lets promises settle before and after each timer. */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsed + ms;
    await settle();
    for (;;) {
      const next = this.#nextDue(target);
      if (next === undefined) break;
      this.#move(next.at);
      this.#pending = this.#pending.filter((other) => other !== next);
      next.callback();
      await settle();
    }
    this.#move(target);
    await settle();
  }

  #nextDue(target: number): Pending | undefined {
    return this.#pending.filter((entry) => entry.at <= target).sort((a, b) => a.at - b.at || a.sequence - b.sequence)[0];
  }

  #move(elapsed: number): void {
    this.#now += elapsed - this.#elapsed;
    this.#elapsed = elapsed;
  }
}

/** Gives pending promise callbacks (and what they start in turn) a chance to run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
