import type { Clock } from '../lib/clock.ts';
import { LruMap } from '../lib/lru-map.ts';

/** kubelet imageBackOffPeriod and MaxImageBackOff: 10 s doubling to 5 min for each pod and image. */
const INITIAL_MS = 10_000;
const MAX_MS = 300_000;
/** Who has not failed for so long starts anew (client-go util/flowcontrol Backoff). */
const EXPIRES_MS = 2 * MAX_MS;
/** Pairs of pod and image: far more than the pods of a node can have failing at once. */
const MAX_ENTRIES = 10_000;

interface Failure {
  readonly backoffMs: number;
  readonly failedAt: number;
  readonly message: string;
}

/** How long a pod must wait before its image is pulled again, and why. */
export class PullBackoff {
  readonly #clock: Clock;
  readonly #failures = new LruMap<string, Failure>(MAX_ENTRIES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `undefined`: it may be pulled now. `retryAt`: ms since the epoch. */
  waiting(podUid: string, image: string): { readonly retryAt: number; readonly message: string } | undefined {
    const failure = this.#failures.get(keyOf(podUid, image));
    if (failure === undefined) return undefined;
    const left = failure.failedAt + failure.backoffMs - this.#clock.monotonic();
    return left > 0 ? { retryAt: Math.ceil(this.#clock.now() + left), message: failure.message } : undefined;
  }

  failed(podUid: string, image: string, message: string): void {
    const key = keyOf(podUid, image);
    const now = this.#clock.monotonic();
    const before = this.#failures.get(key);
    const expired = before === undefined || now - before.failedAt > EXPIRES_MS;
    const backoffMs = expired ? INITIAL_MS : Math.min(before.backoffMs * 2, MAX_MS);
    this.#failures.set(key, { backoffMs, failedAt: now, message });
  }
}

function keyOf(podUid: string, image: string): string {
  return `${podUid}_${image}`;
}
