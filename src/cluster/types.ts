/** What other rooms see of the API server: the client, stores kept by watches, and the services on top of them. Only types. */
import type { ObjectReference } from '../api/types.ts';

/** A kind of object on the API server, with the guard that every object of it passes when it comes in. */
export interface Resource<T> {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in the path. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly is: (value: unknown) => value is T;
}

/** Which object, or which of its subresources (`status`, `token`). */
export interface ObjectTarget {
  readonly namespace?: string;
  readonly name: string;
  readonly subresource?: string;
}

/** Where to create: `name` only with a subresource. */
export interface CreateTarget {
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Absent: a consistent read. `0`: whatever the server has cached. */
  readonly resourceVersion?: string;
  readonly limit?: number;
  readonly continueToken?: string;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continueToken?: string;
}

export interface WatchOptions {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly resourceVersion: string;
  /** How long the server keeps the watch. */
  readonly timeoutSeconds: number;
}

/** An error that comes inside a watch is thrown, not yielded. */
export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T; readonly resourceVersion: string }
  | { readonly type: 'bookmark'; readonly resourceVersion: string };

export type PatchType = 'strategic-merge' | 'merge' | 'json' | 'apply';

export interface Patch {
  readonly type: PatchType;
  readonly body: unknown;
  /** Needed for `apply`. */
  readonly fieldManager?: string;
  readonly force?: boolean;
}

export interface DeleteOptions {
  /** Preconditions: the object is deleted only if it still is this one. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
}

/**
 * The API server's verbs. Every call has a deadline of its own beside the signal, waits for the client's rate limit, and
 * repeats what the server asks to repeat (429 with Retry-After). Errors are those of lib/errors.ts; `apiStatus` (status-error.ts)
 * reads the server's Status from them.
 */
export interface ApiClient {
  get<T>(resource: Resource<T>, target: ObjectTarget, signal: AbortSignal): Promise<T>;
  list<T>(resource: Resource<T>, options: ListOptions, signal: AbortSignal): Promise<ObjectList<T>>;
  create<T>(resource: Resource<T>, target: CreateTarget, body: object, signal: AbortSignal): Promise<T>;
  update<T>(resource: Resource<T>, target: ObjectTarget, body: object, signal: AbortSignal): Promise<T>;
  patch<T>(resource: Resource<T>, target: ObjectTarget, patch: Patch, signal: AbortSignal): Promise<T>;
  delete<T>(resource: Resource<T>, target: ObjectTarget, options: DeleteOptions, signal: AbortSignal): Promise<void>;
  /** Ends when the server ends the watch. @throws what {@link ApiClient} throws, also in the middle */
  watch<T>(resource: Resource<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
}

export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'modified'; readonly object: T; readonly previous: T }
  /** `object` is what was last known of it. */
  | { readonly type: 'deleted'; readonly object: T };

/** What a watch keeps. Objects are shared with everybody: never change one. An object recreated under its name is deleted, then added. */
export interface ObjectStore<T> {
  get(namespace: string | undefined, name: string): T | undefined;
  list(): readonly T[];
  /** Listeners are called in order of the changes, after the store has them. Answers the function that ends the subscription. */
  onChange(listener: (change: Change<T>) => void): () => void;
  /** Whether the first list is in the store. */
  hasSynced(): boolean;
  synced(signal: AbortSignal): Promise<void>;
}

/** Single named objects (secrets, config maps), watched while a pod uses them. */
export interface ObjectSource<T> {
  /**
   * `undefined` when it does not exist. While acquired, answers from the watch after its first list; otherwise asks the server.
   * @throws UnavailableError, PermissionDeniedError … when the first list is refused, or does not come in 10 s
   */
  get(namespace: string, name: string, signal: AbortSignal): Promise<T | undefined>;
  /** Called after an acquired object has appeared, changed or gone. */
  onChange(listener: (namespace: string, name: string) => void): () => void;
}

export type EventType = 'Normal' | 'Warning';

/** Records events about objects. Never blocks and never throws; what cannot be sent is dropped in the end. */
export interface EventRecorder {
  event(about: ObjectReference, type: EventType, reason: string, message: string): void;
}

export interface TokenRequestFor {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Empty: the API server's own audience. */
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  /** The token dies with this pod. */
  readonly pod: { readonly name: string; readonly uid: string };
}

export interface ServiceAccountToken {
  readonly token: string;
  /** Ms since the epoch. */
  readonly expiresAt: number;
  /** From when on `token` answers a new one, ms since the epoch. */
  readonly refreshAt: number;
}

export interface TokenSource {
  /** From the cache, or requested. When a refresh fails, the old one as long as it is valid. */
  token(request: TokenRequestFor, signal: AbortSignal): Promise<ServiceAccountToken>;
  forgetPod(uid: string): void;
}

/** Who makes a request. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a user wants to do: a verb on a resource or on a path. */
export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly resource?: {
    readonly group: string;
    readonly version: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly nonResourcePath?: string;
}

export interface Authenticator {
  /** `undefined` when nobody knows the token. @throws UnavailableError */
  authenticateToken(token: string, signal: AbortSignal): Promise<UserInfo | undefined>;
}

export interface Authorizer {
  /** @throws UnavailableError */
  authorize(attributes: AuthorizationAttributes, signal: AbortSignal): Promise<{ readonly allowed: boolean; readonly reason: string }>;
}

/** A certificate chain and its private key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate that is replaced while the process runs. */
export interface CertificateSource {
  /** `undefined` until there is one, and after it has expired. */
  current(): KeyPair | undefined;
  onChange(listener: () => void): () => void;
}
