/** Single named objects, each watched while somebody uses it: all that the node authorizer lets a node see of secrets and config maps. */
import { objectKey } from '../api/meta.ts';
import type { KubeObject } from '../api/types.ts';
import { fieldSelector } from '../api/selectors.ts';
import { withDeadline } from '../lib/abort.ts';
import { errorMessage, isNotFound, UnavailableError } from '../lib/errors.ts';
import { Reflector, type ReflectorContext } from './reflector.ts';
import type { ApiClient, Change, ObjectSource, Resource } from './types.ts';
import { WatchTrouble } from './watch-trouble.ts';

/** Objects that may be declared unchangeable. */
export type CacheableObject = KubeObject & { readonly immutable?: boolean };

export interface ObjectCacheOptions<T> {
  readonly context: ReflectorContext & { readonly client: Pick<ApiClient, 'get' | 'list' | 'watch'> };
  readonly resource: Resource<T>;
}

/** As the kubelet: these watches are many and change little, so they are made anew seldom (pkg/kubelet/util/manager). */
const MIN_WATCH_SECONDS = 30 * 60;
/** How long `get` waits for a first list that fails: for one more try, after a pod that the authorizer had not seen yet. */
const REFUSED_DEADLINE_MS = 2000;
/** How long it waits in all when the server is only slow. */
const FIRST_LIST_DEADLINE_MS = 10_000;

interface Entry<T extends CacheableObject> {
  readonly reflector: Reflector<T>;
  readonly stop: AbortController;
  users: number;
  /** Somebody asked before there was an answer and went away without one. */
  missed: boolean;
}

/**
 * INVARIANTS
 * - An object is watched from the first `acquire` to the `release` that matches it, once however many users it has.
 * - An immutable object is kept but no longer watched.
 * - Absence is known from the watch and not asked for again.
 */
export class ObjectCache<T extends CacheableObject> implements ObjectSource<T> {
  readonly #options: ObjectCacheOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #listeners = new Set<(namespace: string, name: string) => void>();
  readonly #trouble: WatchTrouble;

  constructor(options: ObjectCacheOptions<T>) {
    this.#options = options;
    this.#trouble = new WatchTrouble(options.context.log, options.resource.resource);
  }

  /** Number of objects in use. */
  get size(): number {
    return this.#entries.size;
  }

  acquire(namespace: string, name: string): void {
    const key = objectKey(namespace, name);
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, this.#start(namespace, name));
    else entry.users += 1;
  }

  release(namespace: string, name: string): void {
    const key = objectKey(namespace, name);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#entries.delete(key);
    entry.stop.abort(new UnavailableError(`${this.#describe(namespace, name)} is not used any more`));
  }

  async get(namespace: string, name: string, signal: AbortSignal): Promise<T | undefined> {
    const entry = this.#entries.get(objectKey(namespace, name));
    if (entry === undefined) return this.#ask(namespace, name, signal);
    if (!entry.reflector.hasSynced()) await this.#firstList(entry, namespace, name, signal);
    return entry.reflector.get(namespace, name);
  }

  onChange(listener: (namespace: string, name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends every watch. */
  close(): void {
    for (const { stop } of this.#entries.values()) stop.abort(new UnavailableError('the object cache is closed'));
    this.#entries.clear();
  }

  #start(namespace: string, name: string): Entry<T> {
    const { context, resource } = this.#options;
    const reflector = new Reflector<T>(context, {
      resource,
      namespace,
      fieldSelector: fieldSelector({ 'metadata.name': name }),
      minWatchSeconds: MIN_WATCH_SECONDS,
      trouble: this.#trouble,
    });
    const entry: Entry<T> = { reflector, stop: new AbortController(), users: 1, missed: false };
    reflector.onChange((change) => this.#changed(entry, change, namespace, name));
    void reflector.run(entry.stop.signal);
    return entry;
  }

  #changed(entry: Entry<T>, change: Change<T>, namespace: string, name: string): void {
    if (change.type !== 'deleted' && change.object.immutable === true) {
      entry.stop.abort(new UnavailableError(`${this.#describe(namespace, name)} is immutable`));
    }
    // The first list is news only to those who could not wait for it.
    if (!entry.reflector.hasSynced() && !entry.missed) return;
    for (const listener of this.#listeners) listener(namespace, name);
  }

  async #firstList(entry: Entry<T>, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.context;
    const { reflector } = entry;
    const stage = `reading ${this.#describe(namespace, name)}`;
    const wait = (limitMs: number): Promise<void> => withDeadline(clock, stage, limitMs, signal, (inner) => reflector.synced(inner));
    try {
      await wait(REFUSED_DEADLINE_MS).catch(async (error: unknown) => {
        if (signal.aborted || reflector.lastError !== undefined) throw error;
        await wait(FIRST_LIST_DEADLINE_MS - REFUSED_DEADLINE_MS);
      });
    } catch (error) {
      entry.missed = true;
      if (signal.aborted) throw error;
      const cause = reflector.lastError ?? error;
      throw new UnavailableError(`${this.#describe(namespace, name)} could not be read: ${errorMessage(cause)}`, { cause });
    }
  }

  async #ask(namespace: string, name: string, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await this.#options.context.client.get(this.#options.resource, { namespace, name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #describe(namespace: string, name: string): string {
    return `${this.#options.resource.kind} "${namespace}/${name}"`;
  }
}
