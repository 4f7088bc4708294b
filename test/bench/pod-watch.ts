import type { Pod } from '../../src/api/types.ts';
import { TimeoutError } from '../cluster/wait.ts';
import type { ApiClient } from './api-client.ts';

type Moment = 'Ready' | 'gone';

interface Waiter {
  readonly resolve: (at: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Two hours: longer than any run. */
const watchSeconds = 7200;
/** The API server may end a watch at any time; it is taken up again where it ended, but a run in which that happens often is worth nothing. */
const maxWatches = 10;

/**
 * When pods of a namespace become Ready and when they go, as a watch on the API
 * server tells it: `performance.now()` of the moment at which the event arrives here.
 */
export class PodWatch {
  readonly #ended = new AbortController();
  readonly #moments = new Map<string, number>();
  readonly #waiters = new Map<string, Waiter>();
  /** The last thing heard of each pod, for the message of a wait that fails. */
  readonly #last = new Map<string, string>();
  #resourceVersion = '';
  #failure: { readonly error: unknown } | undefined;

  /** Begins to watch; what happens from now on is seen. */
  static async start(client: ApiClient, namespace: string): Promise<PodWatch> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const list = (await client.request('GET', `${path}?limit=1`)) as { metadata: { resourceVersion: string } };
    const watch = new PodWatch();
    watch.#resourceVersion = list.metadata.resourceVersion;
    watch.#follow(client, path).catch((error: unknown) => watch.#fail(error));
    return watch;
  }

  /** The moment at which the pod had Ready=True. @throws TimeoutError that shows the pod's status. */
  ready(name: string, timeoutMs: number): Promise<number> {
    return this.#wait('Ready', name, timeoutMs);
  }

  /** The moment at which the pod's object was deleted. @throws TimeoutError that shows the pod's status. */
  gone(name: string, timeoutMs: number): Promise<number> {
    return this.#wait('gone', name, timeoutMs);
  }

  /** Who still waits gets an error. */
  stop(): void {
    this.#ended.abort();
    this.#fail(new Error('the watch was stopped'));
  }

  async #follow(client: ApiClient, path: string): Promise<void> {
    const { signal } = this.#ended;
    for (let count = 0; count < maxWatches; count++) {
      const query = `watch=true&resourceVersion=${this.#resourceVersion}&timeoutSeconds=${watchSeconds.toString()}`;
      await client.watch(`${path}?${query}`, (line) => this.#see(line), signal);
      if (signal.aborted) return;
    }
    throw new Error(`the API server has ended the watch ${maxWatches.toString()} times`);
  }

  #see(line: string): void {
    const at = performance.now();
    const event = JSON.parse(line) as { type: string; object: Pod };
    if (event.type === 'ERROR') {
      this.#fail(new Error(`the watch failed: ${line}`));
      return;
    }
    const { metadata, status } = event.object;
    this.#resourceVersion = metadata.resourceVersion ?? this.#resourceVersion;
    this.#last.set(metadata.name, JSON.stringify(status));
    if (event.type === 'DELETED') this.#note('gone', metadata.name, at);
    else if (status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true)
      this.#note('Ready', metadata.name, at);
  }

  /** The first time counts. */
  #note(moment: Moment, name: string, at: number): void {
    const key = `${moment} ${name}`;
    if (this.#moments.has(key)) return;
    this.#moments.set(key, at);
    this.#waiters.get(key)?.resolve(at);
  }

  async #wait(moment: Moment, name: string, timeoutMs: number): Promise<number> {
    const key = `${moment} ${name}`;
    const already = this.#moments.get(key);
    if (already !== undefined) return already;
    if (this.#failure !== undefined) throw this.#failure.error;
    return await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new TimeoutError(`pod ${name} to be ${moment}`, timeoutMs, this.#last.get(name) ?? 'no event came')),
        timeoutMs,
      );
      this.#waiters.set(key, {
        resolve: (at) => {
          clearTimeout(timer);
          resolve(at);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    }).finally(() => this.#waiters.delete(key));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiter of this.#waiters.values()) waiter.reject(error);
  }
}
