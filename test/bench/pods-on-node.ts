import { imageTag } from '../cluster/images.ts';
import { maxConcurrentRequests, type ApiClient } from './api-client.ts';
import type { PodWatch } from './pod-watch.ts';

/** A batch of 100 takes half a minute on two idle cores; a busy machine gets its time. */
const podTimeoutMs = 300_000;

/** The benchmark's pods on one node: makes and deletes them, and says how long that took. */
export class PodsOnNode {
  readonly #client: ApiClient;
  readonly #watch: PodWatch;
  readonly #namespace: string;
  readonly #nodeName: string;
  #made = 0;
  #names: string[] = [];

  constructor(client: ApiClient, watch: PodWatch, namespace: string, nodeName: string) {
    this.#client = client;
    this.#watch = watch;
    this.#namespace = namespace;
    this.#nodeName = nodeName;
  }

  /** How many there are. */
  get count(): number {
    return this.#names.length;
  }

  /** Creates pods, all at once; answers the time from the first request to the last pod's Ready, in ms. */
  async create(count: number): Promise<number> {
    const names = Array.from({ length: count }, () => `${this.#nodeName}-${(++this.#made).toString()}`);
    this.#names.push(...names);
    const path = `/api/v1/namespaces/${this.#namespace}/pods`;
    return await this.#time(names, 'ready', (name) => this.#client.send('POST', path, pausePod(name, this.#nodeName)));
  }

  /** Deletes all pods at once, with their grace period; answers the time from the first request to the end of the last object, in ms. */
  async remove(): Promise<number> {
    const names = this.#names;
    this.#names = [];
    return await this.#time(names, 'gone', (name) => this.#client.send('DELETE', `/api/v1/namespaces/${this.#namespace}/pods/${name}`));
  }

  async #time(names: readonly string[], moment: 'ready' | 'gone', send: (name: string) => ReturnType<ApiClient['send']>): Promise<number> {
    let first = Infinity;
    let next = 0;
    const sendAll = async (): Promise<void> => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) {
        const { sentAt, answer } = send(name);
        first = Math.min(first, sentAt);
        await answer;
      }
    };
    const senders = Array.from({ length: Math.min(names.length, maxConcurrentRequests) }, sendAll);
    const moments = names.map((name) => this.#watch[moment](name, podTimeoutMs));
    const [ends] = await Promise.all([Promise.all(moments), Promise.all(senders)]);
    return Math.max(...ends) - first;
  }
}

/** Bound to its node from the start: the scheduler is not measured. The container ends at once when told to. */
function pausePod(name: string, nodeName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName,
      containers: [{ name: 'pause', image: imageTag('pause'), imagePullPolicy: 'IfNotPresent' }],
    },
  };
}
