/** Service account tokens for pods, requested once and refreshed in time (kubelet pkg/kubelet/token/token_manager.go). */
import { parseTime } from '../api/meta.ts';
import { abortable } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { UnavailableError, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { TOKEN_REQUESTS } from './resources.ts';
import type { ApiClient, ServiceAccountToken, TokenRequestFor, TokenSource } from './types.ts';

export interface TokenManagerOptions {
  readonly client: Pick<ApiClient, 'create'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random: () => number;
}

/** A token is renewed after this share of its life, or after a day, whichever comes first. */
const REFRESH_SHARE = 0.8;
const MAX_AGE_MS = 24 * 3_600_000;
/** Spreads the refreshes of tokens that were made together. */
const MAX_JITTER_MS = 10_000;
/** When a refresh fails, the old token is answered and the next try waits this long. */
const RETRY_MS = 10_000;

interface Entry {
  readonly podUid: string;
  current: ServiceAccountToken | undefined;
  /** A request under way, shared by whoever asks meanwhile. */
  pending: Promise<ServiceAccountToken> | undefined;
}

/**
 * INVARIANTS
 * - One request at a time for each (service account, audiences, lifetime, pod).
 * - A valid token is answered even when its refresh fails; an expired one never.
 * - Nothing of a pod is kept after `forgetPod`, requests under way included. The cache holds no more than the pods' volumes ask for.
 */
export class TokenManager implements TokenSource {
  readonly #options: TokenManagerOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: TokenManagerOptions) {
    this.#options = options;
  }

  /** Number of tokens kept. */
  get size(): number {
    return this.#entries.size;
  }

  async token(request: TokenRequestFor, signal: AbortSignal): Promise<ServiceAccountToken> {
    const { clock } = this.#options;
    const key = keyOf(request);
    const entry = this.#entries.get(key) ?? { podUid: request.pod.uid, current: undefined, pending: undefined };
    this.#entries.set(key, entry);
    const { current } = entry;
    if (current !== undefined && clock.now() < current.refreshAt) return current;
    entry.pending ??= this.#request(request).finally(() => (entry.pending = undefined));
    try {
      entry.current = await abortable(entry.pending, signal);
      return entry.current;
    } catch (error) {
      if (signal.aborted) throw error;
      if (current === undefined || clock.now() >= current.expiresAt) {
        if (entry.current === undefined) this.#forget(key, entry);
        throw failure(request, error);
      }
      const { namespace, serviceAccount } = request;
      this.#options.log.warn('A service account token could not be refreshed; the old one is still valid', {
        namespace,
        serviceAccount,
        error: errorMessage(error),
      });
      entry.current = { ...current, refreshAt: Math.min(clock.now() + RETRY_MS, current.expiresAt) };
      return entry.current;
    }
  }

  forgetPod(uid: string): void {
    for (const [key, entry] of this.#entries) if (entry.podUid === uid) this.#entries.delete(key);
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  /** Not bound to the signal of whoever asked first: others wait for it too. The client's deadline ends it. */
  async #request(request: TokenRequestFor): Promise<ServiceAccountToken> {
    const { signal } = new AbortController();
    const { namespace, serviceAccount, audiences, expirationSeconds, pod } = request;
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences,
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid },
      },
    };
    const answer = await this.#options.client.create(
      TOKEN_REQUESTS,
      { namespace, name: serviceAccount, subresource: 'token' },
      body,
      signal,
    );
    const expiresAt = parseTime(answer.status.expirationTimestamp);
    if (expiresAt === undefined) throw new UnavailableError('the token that was issued has no expiration');
    // The server may shorten or lengthen what was asked for; what it says was granted counts.
    const lifetimeMs = (answer.spec?.expirationSeconds ?? expirationSeconds) * 1000;
    return { token: answer.status.token, expiresAt, refreshAt: this.#refreshAt(expiresAt, lifetimeMs) };
  }

  #refreshAt(expiresAt: number, lifetimeMs: number): number {
    const issuedAt = expiresAt - lifetimeMs;
    const jitter = this.#options.random() * MAX_JITTER_MS;
    return issuedAt + Math.min(MAX_AGE_MS, lifetimeMs * REFRESH_SHARE) - jitter;
  }
}

function keyOf({ namespace, serviceAccount, audiences, expirationSeconds, pod }: TokenRequestFor): string {
  return JSON.stringify([namespace, serviceAccount, audiences, expirationSeconds, pod.name, pod.uid]);
}

function failure({ namespace, serviceAccount }: TokenRequestFor, error: unknown): Error {
  return new Error(`a token of service account "${namespace}/${serviceAccount}" could not be had: ${errorMessage(error)}`, {
    cause: error,
  });
}
