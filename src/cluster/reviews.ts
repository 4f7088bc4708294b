/** Asks the API server who somebody is and what they may do (apiserver plugin/pkg/authenticator/token/webhook and authorizer/webhook). */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { LruMap } from '../lib/lru-map.ts';
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from './resources.ts';
import type { ApiClient, Authenticator, AuthorizationAttributes, Authorizer, UserInfo } from './types.ts';

export interface ReviewOptions {
  readonly client: Pick<ApiClient, 'create'>;
  readonly clock: Clock;
}

export interface TokenReviewOptions extends ReviewOptions {
  /** The kubelet's authentication.webhook.cacheTTL, 2 min by default; for known and unknown tokens alike. */
  readonly cacheTtlMs: number;
}

export interface AccessReviewOptions extends ReviewOptions {
  /** The kubelet's authorization.webhook.cacheAuthorizedTTL, 5 min by default. */
  readonly authorizedTtlMs: number;
  /** cacheUnauthorizedTTL, 30 s by default. */
  readonly unauthorizedTtlMs: number;
}

/** Answers kept: clients of a node are its API servers, a few monitors and people. */
const MAX_CACHED = 1024;
/** Attributes that are longer are asked about every time, as upstream: a path is chosen by the client. */
const MAX_KEY_LENGTH = 10_000;

/** TokenReview. Tokens are kept only as their hash. */
export class TokenReviewer implements Authenticator {
  readonly #options: TokenReviewOptions;
  readonly #cache: ExpiringCache<UserInfo | undefined>;

  constructor(options: TokenReviewOptions) {
    this.#options = options;
    this.#cache = new ExpiringCache(options.clock);
  }

  async authenticateToken(token: string, signal: AbortSignal): Promise<UserInfo | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached.value;
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { status } = await this.#options.client.create(TOKEN_REVIEWS, {}, review, signal);
    const user = status?.authenticated === true ? userInfo(status.user) : undefined;
    this.#cache.set(key, user, this.#options.cacheTtlMs);
    return user;
  }
}

/** SubjectAccessReview. */
export class AccessReviewer implements Authorizer {
  readonly #options: AccessReviewOptions;
  readonly #cache: ExpiringCache<Decision>;

  constructor(options: AccessReviewOptions) {
    this.#options = options;
    this.#cache = new ExpiringCache(options.clock);
  }

  async authorize(attributes: AuthorizationAttributes, signal: AbortSignal): Promise<Decision> {
    const { client, authorizedTtlMs, unauthorizedTtlMs } = this.#options;
    const spec = reviewSpec(attributes);
    const key = JSON.stringify(spec);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached.value;
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    const { status } = await client.create(SUBJECT_ACCESS_REVIEWS, {}, review, signal);
    const allowed = status?.allowed === true && status.denied !== true;
    const decision = { allowed, reason: status?.reason ?? '' };
    if (key.length <= MAX_KEY_LENGTH) this.#cache.set(key, decision, allowed ? authorizedTtlMs : unauthorizedTtlMs);
    return decision;
  }
}

interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

function reviewSpec({ user, verb, resource, nonResourcePath }: AuthorizationAttributes): object {
  return {
    user: user.username,
    uid: user.uid,
    groups: user.groups,
    extra: user.extra,
    ...(resource === undefined
      ? { nonResourceAttributes: { path: nonResourcePath ?? '', verb } }
      : { resourceAttributes: { ...resource, verb } }),
  };
}

interface ReviewedUser {
  readonly username?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** A user without a name is none. */
function userInfo(user: ReviewedUser | undefined): UserInfo | undefined {
  if (user?.username === undefined || user.username === '') return undefined;
  return {
    username: user.username,
    groups: user.groups ?? [],
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}

/** Values that are forgotten after a time of their own, and the least used ones when it is full. */
class ExpiringCache<V> {
  readonly #clock: Clock;
  readonly #entries = new LruMap<string, { readonly value: V; readonly until: number }>(MAX_CACHED);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): { readonly value: V } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#clock.monotonic() < entry.until) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V, ttlMs: number): void {
    this.#entries.set(key, { value, until: this.#clock.monotonic() + ttlMs });
  }
}
