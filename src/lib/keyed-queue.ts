import { backoffDelay, type BackoffPolicy } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';

export interface KeyedQueueOptions {
  readonly clock: Clock;
  /** Runs at once over all keys. The caller says why this number. */
  readonly concurrency: number;
  /** Wait between failed runs of one key. */
  readonly backoff: BackoffPolicy;
  /** One run for `key`. A rejection is a failure and is tried again. The signal is aborted by `stop`. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Told of each failed run; decides about logging. */
  readonly onError: (key: string, error: unknown, failures: number, retryInMs: number) => void;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}

interface KeyState {
  running: boolean;
  /** Wanted again: waits in line, or for the present run to end. */
  dirty: boolean;
  failures: number;
  wake: { readonly at: number; readonly timer: Timer } | undefined;
  /** Set by `forget` during a run: its failure is nobody's any more. */
  forgotten: boolean;
}

/**
 * Runs work by key.
 *
 * INVARIANTS
 * - Never two runs of one key at once.
 * - However often a key is added during its run, exactly one more run follows.
 * - At most `concurrency` runs at once; keys start in the order in which they became due, each in line once.
 * - A failed run is tried again after the key's own back-off; a success resets it; other keys do not wait for it.
 * - After `addAfter` a run starts no later than that delay (there being a free place); a key has one timer at most.
 * - After `forget` nothing of the key waits: no place in line, no timer, no failures. A run in progress ends, and is not tried again.
 * - After `stop` no run starts; `stop` resolves when the last has ended.
 */
export class KeyedQueue {
  readonly #options: KeyedQueueOptions;
  readonly #keys = new Map<string, KeyState>();
  readonly #line = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #pumpScheduled = false;

  constructor(options: KeyedQueueOptions) {
    this.#options = options;
  }

  /** Runs in progress. */
  get running(): number {
    return this.#running.size;
  }

  /** Keys that are due and wait for a free place. */
  get waiting(): number {
    return this.#line.size;
  }

  /** A run as soon as there is a place, in this turn of the event loop if there is one now. Does not wait for a back-off. */
  add(key: string): void {
    if (this.#stopping.signal.aborted) return;
    const state = this.#state(key);
    state.dirty = true;
    if (!state.running) this.#enqueue(key);
  }

  /** A run after at most `ms` milliseconds; an earlier wake that is already set stays as it is. */
  addAfter(key: string, ms: number): void {
    if (this.#stopping.signal.aborted) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const state = this.#state(key);
    const at = this.#options.clock.monotonic() + ms;
    if (state.wake !== undefined && state.wake.at <= at) return;
    state.wake?.timer.cancel();
    const timer = this.#options.clock.after(ms, () => {
      state.wake = undefined;
      this.add(key);
    });
    state.wake = { at, timer };
  }

  /** Drops everything that waits for the key. */
  forget(key: string): void {
    const state = this.#keys.get(key);
    if (state === undefined) return;
    this.#line.delete(key);
    state.wake?.timer.cancel();
    state.wake = undefined;
    state.dirty = false;
    state.failures = 0;
    state.forgotten = true;
    if (!state.running) this.#keys.delete(key);
  }

  /** Aborts the runs' signal and waits for them to end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#line.clear();
    for (const state of this.#keys.values()) state.wake?.timer.cancel();
    this.#keys.clear();
    await Promise.all(this.#running);
  }

  #state(key: string): KeyState {
    let state = this.#keys.get(key);
    if (state === undefined) {
      state = { running: false, dirty: false, failures: 0, wake: undefined, forgotten: false };
      this.#keys.set(key, state);
    }
    return state;
  }

  #enqueue(key: string): void {
    this.#line.add(key);
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    // Not in the caller's stack: whoever adds a key need not be ready for the work to begin inside of it.
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const key of this.#line) {
      if (this.#running.size >= this.#options.concurrency) return;
      this.#line.delete(key);
      const state = this.#state(key);
      const run = this.#run(key, state);
      this.#running.add(run);
      void run.finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
    }
  }

  async #run(key: string, state: KeyState): Promise<void> {
    const { signal } = this.#stopping;
    state.running = true;
    state.dirty = false;
    state.forgotten = false;
    try {
      await this.#options.work(key, signal);
      state.failures = 0;
    } catch (error) {
      if (!signal.aborted && !state.forgotten) this.#retry(key, state, error);
    }
    state.running = false;
    if (signal.aborted) return;
    if (state.dirty) this.#line.add(key);
    else if (state.wake === undefined && state.failures === 0) this.#keys.delete(key);
  }

  #retry(key: string, state: KeyState, error: unknown): void {
    state.failures += 1;
    const delay = backoffDelay(this.#options.backoff, state.failures, this.#options.random);
    this.#options.onError(key, error, state.failures, delay);
    this.addAfter(key, delay);
  }
}
