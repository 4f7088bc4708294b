import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { ResourceExhaustedError } from '../lib/errors.ts';

/** Bytes of randomness in a token: whoever guesses one gets into a container. */
const TOKEN_BYTES = 16;

interface Entry<T> {
  readonly request: T;
  readonly expiresAt: number;
}

/**
 * Requests that wait for their client under a one-use token (k8s.io/cri-streaming request_cache.go).
 *
 * INVARIANTS
 * - a token answers once, and not after its lifetime
 * - at most `maxTokens` wait; expired ones do not count
 */
export class RequestCache<T> {
  readonly #clock: Clock;
  readonly #lifetimeMs: number;
  readonly #maxTokens: number;
  /** Oldest first: all live equally long, so insertion order is order of expiry. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(clock: Clock, lifetimeMs: number, maxTokens: number) {
    this.#clock = clock;
    this.#lifetimeMs = lifetimeMs;
    this.#maxTokens = maxTokens;
  }

  /** @throws ResourceExhaustedError */
  insert(request: T): string {
    this.#dropExpired();
    if (this.#entries.size >= this.#maxTokens) throw new ResourceExhaustedError('maximum number of in-flight requests exceeded');
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#entries.set(token, { request, expiresAt: this.#clock.monotonic() + this.#lifetimeMs });
    return token;
  }

  /** Takes the request out; undefined when there is none under the token any more. */
  consume(token: string): T | undefined {
    this.#dropExpired();
    const entry = this.#entries.get(token);
    this.#entries.delete(token);
    return entry?.request;
  }

  #dropExpired(): void {
    const now = this.#clock.monotonic();
    for (const [token, entry] of this.#entries) {
      if (entry.expiresAt >= now) return;
      this.#entries.delete(token);
    }
  }
}
