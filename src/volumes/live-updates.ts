import type { Pod } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { KeyedQueue } from '../lib/keyed-queue.ts';
import type { ObjectKey, VolumeSources } from './plugins/plugin.ts';

/** Refreshes at once over all pods: enough to follow a secret that a hundred pods use, without starving the pods that start. */
const CONCURRENCY = 4;
/** A burst of changes becomes one rewrite. Together with the watch it stays well below a second. */
const SETTLE_MS = 100;
/** When a token's refresh failed and the old one was kept, asking again at once would be a busy loop. */
const MIN_REFRESH_MS = 10_000;
/** Waits between failed rewrites (kubelet: exponentialBackOff of pkg/util/goroutinemap, 500 ms doubling to 2 min 2 s). */
const BACKOFF = { initialMs: 500, maxMs: 122_000, factor: 2, jitter: 0.1 };

export interface LiveUpdatesDeps {
  readonly clock: Clock;
  /** Brings one volume up to date; answers when that has to happen again, if its content expires. Does nothing for an unknown volume. */
  readonly refresh: (podUid: string, volumeName: string, signal: AbortSignal) => Promise<{ readonly refreshAt?: number }>;
  readonly onError: (podUid: string, volumeName: string, error: unknown) => void;
}

interface LiveVolume {
  readonly podUid: string;
  readonly volumeName: string;
  readonly sources: VolumeSources;
}

/**
 * Keeps volumes current whose content changes while their pod runs: after a change of what they are made of, and before
 * something in them expires. At rest there is one timer for each expiry and nothing else.
 */
export class LiveUpdates {
  readonly #clock: Clock;
  readonly #queue: KeyedQueue;
  readonly #volumes = new Map<string, LiveVolume>();

  constructor({ clock, refresh, onError }: LiveUpdatesDeps) {
    this.#clock = clock;
    this.#queue = new KeyedQueue({
      clock,
      concurrency: CONCURRENCY,
      backoff: BACKOFF,
      work: async (key, signal) => {
        const volume = this.#volumes.get(key);
        if (volume === undefined) return;
        const { refreshAt } = await refresh(volume.podUid, volume.volumeName, signal);
        if (refreshAt !== undefined && this.#volumes.has(key)) this.#wakeAt(key, refreshAt);
      },
      onError: (key, error) => {
        const volume = this.#volumes.get(key);
        if (volume !== undefined) onError(volume.podUid, volume.volumeName, error);
      },
    });
  }

  /** From now on the volume is refreshed; at `refreshAt` (ms since the epoch) for the first time without a change. */
  track(podUid: string, volumeName: string, sources: VolumeSources, refreshAt: number | undefined): void {
    const key = keyOf(podUid, volumeName);
    this.#volumes.set(key, { podUid, volumeName, sources });
    if (refreshAt !== undefined) this.#wakeAt(key, refreshAt);
  }

  /** Refreshes it as soon as there is a place. */
  refreshNow(podUid: string, volumeName: string): void {
    this.#queue.add(keyOf(podUid, volumeName));
  }

  objectChanged(changed: ObjectKey): void {
    for (const [key, { sources }] of this.#volumes) {
      if (sources.objects.some((object) => isSame(object, changed))) this.#queue.addAfter(key, SETTLE_MS);
    }
  }

  podChanged(podUid: string): void {
    for (const [key, volume] of this.#volumes) {
      if (volume.podUid === podUid && volume.sources.podItself) this.#queue.addAfter(key, SETTLE_MS);
    }
  }

  forget(podUid: string): void {
    for (const [key, volume] of this.#volumes) {
      if (volume.podUid !== podUid) continue;
      this.#volumes.delete(key);
      this.#queue.forget(key);
    }
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  #wakeAt(key: string, at: number): void {
    this.#queue.addAfter(key, Math.max(at - this.#clock.now(), MIN_REFRESH_MS));
  }
}

/** What of a pod its downward API volumes can show. */
export function downwardState(pod: Pod): string {
  const { labels, annotations } = pod.metadata;
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  return JSON.stringify([labels, annotations, containers.map(({ resources }) => resources)]);
}

function keyOf(podUid: string, volumeName: string): string {
  return `${podUid}/${volumeName}`;
}

function isSame(a: ObjectKey, b: ObjectKey): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
}
