/** Keeps the objects that a selector finds, by a list and a watch that never ends. */
import type { KubeObject } from '../api/types.ts';
import { abortable } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isDeadlineExceeded, isUnavailable } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiHealth } from './api-health.ts';
import { describe } from './decode.ts';
import { ObjectMap } from './object-map.ts';
import { INITIAL_STATE, nextState, type Listing, type ReflectorInput, type ReflectorState, type Watching } from './reflector-state.ts';
import { apiStatus } from './status-error.ts';
import type { ApiClient, Change, ObjectStore, Resource } from './types.ts';
import { WatchTrouble } from './watch-trouble.ts';

/** What every reflector of a process shares. */
export interface ReflectorContext {
  readonly client: Pick<ApiClient, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** While it says that the server is down, nothing is logged here; when it is back, pauses end. */
  readonly health: Pick<ApiHealth, 'state' | 'onChange'>;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface ReflectorTarget<T> {
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Shared by watches that are many of a kind, so that they log as one. */
  readonly trouble?: WatchTrouble;
  /** The shortest time a watch is asked to last, seconds; the longest is twice that. */
  readonly minWatchSeconds?: number;
}

/** Objects a page, as client-go's pager; a list from the server's cache comes in one. */
const PAGE_SIZE = 500;
/** client-go: 5 to 10 minutes. */
const MIN_WATCH_SECONDS = 300;
/** How far apart the watches of a node return to a server that is back. */
const MAX_RETURN_SPREAD_MS = 1000;

/**
 * INVARIANTS
 * - `run` ends only by its signal: no error, end or abrupt disconnect of a watch ends it.
 * - The store changes to a list's content at once when its last page is in; until then it keeps what it had.
 * - While it fails, one log line says so and one that it is over, however many tries there are.
 */
export class Reflector<T extends KubeObject> implements ObjectStore<T> {
  readonly #context: ReflectorContext;
  readonly #target: ReflectorTarget<T>;
  readonly #objects: ObjectMap<T>;
  readonly #trouble: WatchTrouble;
  #pages: T[] = [];
  #state: ReflectorState = INITIAL_STATE;
  #synced = false;
  #waitForSync: PromiseWithResolvers<void> | undefined;
  #lastError: unknown;
  #endWait: () => void = () => undefined;

  constructor(context: ReflectorContext, target: ReflectorTarget<T>) {
    this.#context = context;
    this.#target = target;
    this.#trouble = target.trouble ?? new WatchTrouble(context.log, describe(target.resource));
    this.#objects = new ObjectMap((error) => {
      context.log.error('A listener of a watch failed', { resource: describe(target.resource), error: errorMessage(error) });
    });
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(namespace, name);
  }

  list(): readonly T[] {
    return this.#objects.list();
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    return this.#objects.onChange(listener);
  }

  hasSynced(): boolean {
    return this.#synced;
  }

  async synced(signal: AbortSignal): Promise<void> {
    if (this.#synced) return;
    this.#waitForSync ??= Promise.withResolvers<void>();
    await abortable(this.#waitForSync.promise, signal);
  }

  /** Why the last try failed; `undefined` while all is well. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Resolves when the signal is aborted, and never before. To be called once. */
  async run(signal: AbortSignal): Promise<void> {
    const unsubscribe = this.#context.health.onChange(({ up }) => {
      if (up) this.#serverIsBack();
    });
    while (!signal.aborted) {
      const state = this.#state;
      if (state.stage === 'listing') await this.#attempt(signal, () => this.#listPage(state, signal));
      else if (state.stage === 'watching') await this.#attempt(signal, () => this.#watch(state, signal));
      else await this.#wait(state.delayMs, signal);
    }
    unsubscribe();
    this.#trouble.over(this);
  }

  async #attempt(signal: AbortSignal, stage: () => Promise<void>): Promise<void> {
    try {
      await stage();
    } catch (error) {
      if (signal.aborted) return;
      this.#pages = [];
      this.#move({ type: 'failed', error });
      // A list that starts over at once, after 410, is routine.
      if (this.#state.stage === 'backing-off') this.#failing(error);
    }
  }

  /** Until the time is over, or a little after the server is back for everybody: not all watches return in the same moment. */
  async #wait(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#context;
    const waiting = new AbortController();
    const onAbort = (): void => waiting.abort();
    this.#endWait = onAbort;
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await clock.sleep(delayMs, waiting.signal);
      this.#move({ type: 'waited' });
    } catch {
      await clock.sleep(random() * MAX_RETURN_SPREAD_MS, signal).catch(() => undefined); // only the signals end a sleep
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whoever waits, or fails on its first try because the server is only warming up, need not wait as long as for one that is away. */
  #serverIsBack(): void {
    const { stage } = this.#state;
    this.#move({ type: 'serverIsBack' });
    if (stage === 'backing-off') this.#endWait();
  }

  async #listPage({ resourceVersion, continueToken }: Listing, signal: AbortSignal): Promise<void> {
    const page = await this.#context.client.list(
      this.#target.resource,
      {
        ...this.#selection(),
        // Other than 0, a version with a limit would be served from etcd instead of the server's cache.
        ...(resourceVersion === undefined || resourceVersion === '0' ? { limit: PAGE_SIZE } : {}),
        ...(continueToken !== undefined ? { continueToken } : resourceVersion !== undefined ? { resourceVersion } : {}),
      },
      signal,
    );
    this.#pages.push(...page.items);
    if (page.continueToken === undefined) this.#sync();
    this.#move({ type: 'page', ...page });
  }

  #sync(): void {
    const objects = this.#pages;
    this.#pages = [];
    this.#recovered();
    this.#objects.replace(objects);
    this.#synced = true;
    this.#waitForSync?.resolve();
  }

  async #watch({ resourceVersion }: Watching, signal: AbortSignal): Promise<void> {
    const { client, clock, random } = this.#context;
    const minSeconds = this.#target.minWatchSeconds ?? MIN_WATCH_SECONDS;
    const timeoutSeconds = Math.floor(minSeconds * (1 + random()));
    const startedAt = clock.monotonic();
    let events = 0;
    for await (const event of client.watch(this.#target.resource, { ...this.#selection(), resourceVersion, timeoutSeconds }, signal)) {
      events += 1;
      this.#recovered();
      if (event.type === 'deleted') this.#objects.delete(event.object);
      else if (event.type !== 'bookmark') this.#objects.set(event.object);
      this.#move({ type: 'event', resourceVersion: event.resourceVersion });
    }
    if (signal.aborted) return;
    this.#move({ type: 'ended', events, lastedMs: clock.monotonic() - startedAt });
  }

  #selection(): Pick<ReflectorTarget<T>, 'namespace' | 'fieldSelector' | 'labelSelector'> {
    const { namespace, fieldSelector, labelSelector } = this.#target;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
  }

  #move(input: ReflectorInput): void {
    this.#state = nextState(this.#state, input, this.#context.random);
  }

  #failing(error: unknown): void {
    this.#lastError = error;
    // A connection that breaks or a server that is down is reported once for everybody, by ApiHealth.
    const lost = apiStatus(error) === undefined && (isUnavailable(error) || isDeadlineExceeded(error));
    if (!lost && this.#context.health.state?.up !== false) this.#trouble.begin(this, error, this.#selection());
  }

  #recovered(): void {
    this.#lastError = undefined;
    this.#trouble.over(this);
  }
}
