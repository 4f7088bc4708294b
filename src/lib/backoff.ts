/** How long to wait before the next try. */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Multiplier from one failure to the next. */
  readonly factor: number;
  /** Share of the delay that is random, 0 … 1: spreads clients that failed together. */
  readonly jitter: number;
}

/** Delay after `failures` failures in a row (1 or more), in milliseconds; `random` is in [0, 1). */
export function backoffDelay(policy: BackoffPolicy, failures: number, random: () => number = Math.random): number {
  const exponent = Math.min(Math.max(failures - 1, 0), 64); // beyond 64 doublings every policy has reached its maximum
  const plain = Math.min(policy.maxMs, policy.initialMs * policy.factor ** exponent);
  return plain * (1 - policy.jitter * random());
}
