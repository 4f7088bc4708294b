/** Token buckets (client-go util/flowcontrol): a burst at once, then a steady rate. */
import type { Clock } from '../lib/clock.ts';
import { ResourceExhaustedError } from '../lib/errors.ts';

export interface RateLimit {
  /** Tokens a second. */
  readonly qps: number;
  /** Tokens when full. */
  readonly burst: number;
}

/** The kubelet's defaults (kubeAPIQPS and kubeAPIBurst). */
export const KUBE_API_RATE: RateLimit = { qps: 50, burst: 100 };

/** Callers that may wait for a token: enough for every pod of a full node several times over, and a bound on what a storm can hold. */
const MAX_WAITING = 10_000;

/** A token bucket. INVARIANTS: over any time t at most burst + qps × t tokens are given; who waits is served in order of asking. */
export class TokenBucket {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  /** May be negative: tokens promised to those who wait. */
  #tokens: number;
  #updatedAt: number;
  #waiting = 0;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#tokens = limit.burst;
    this.#updatedAt = clock.monotonic();
  }

  /** Takes a token if there is one now. */
  tryTake(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes a token, waiting for it if need be. @throws ResourceExhaustedError when too many wait already */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#refill();
    this.#tokens -= 1;
    if (this.#tokens >= 0) return;
    const waitMs = (-this.#tokens / this.#limit.qps) * 1000;
    if (this.#waiting >= MAX_WAITING) {
      this.#tokens += 1;
      throw new ResourceExhaustedError(`${MAX_WAITING} requests wait for the API rate limit of ${this.#limit.qps} a second already`);
    }
    this.#waiting += 1;
    try {
      await this.#clock.sleep(waitMs, signal);
    } catch (error) {
      this.#tokens += 1; // whoever gives up leaves the token to others
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + ((now - this.#updatedAt) / 1000) * this.#limit.qps);
    this.#updatedAt = now;
  }
}
