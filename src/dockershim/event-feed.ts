import type { ContainerEvent, ContainerEventMessage } from '../runtime/types.ts';
import type { ViewChange } from './container-view.ts';

export interface EventFeedOptions {
  /** Makes the message of a change; called when a listener takes it, so that it tells the state of that moment. */
  readonly describe: (change: ViewChange) => Promise<ContainerEvent>;
}

/** Changes that a listener may be behind; then it is told to list everything instead. A burst of 100 pods makes some 600. */
const MAX_QUEUE = 4_096;

interface Listener {
  readonly queue: (ViewChange | 'resync')[];
  wake: (() => void) | undefined;
}

/**
 * Hands the view's changes to whoever listens, each at its own pace.
 *
 * INVARIANTS
 * 1. The first message of a listener, and of every reconnection, is `resync`.
 * 2. Between two `resync` messages a listener misses no change and gets them in order.
 * 3. A slow listener holds back nobody and costs a bounded amount of memory.
 */
export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #listeners = new Set<Listener>();
  #synced = false;

  constructor(options: EventFeedOptions) {
    this.#options = options;
  }

  /** The view equals the engine again. */
  resynced(): void {
    this.#synced = true;
    for (const listener of this.#listeners) restart(listener);
  }

  /** The connection is lost: what comes now is told after the next {@link resynced}. */
  disconnected(): void {
    this.#synced = false;
    for (const listener of this.#listeners) listener.queue.length = 0;
  }

  publish(change: ViewChange): void {
    if (!this.#synced) return;
    for (const listener of this.#listeners) {
      if (listener.queue.length >= MAX_QUEUE) restart(listener);
      else {
        listener.queue.push(change);
        listener.wake?.();
      }
    }
  }

  /** Ends only by the signal. */
  async *listen(signal: AbortSignal): AsyncGenerator<ContainerEventMessage> {
    const listener: Listener = { queue: this.#synced ? ['resync'] : [], wake: undefined };
    const onAbort = (): void => listener.wake?.();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#listeners.add(listener);
    try {
      while (!signal.aborted) {
        const next = listener.queue.shift();
        if (next === undefined) {
          await new Promise<void>((resolve) => {
            listener.wake = resolve;
          });
          listener.wake = undefined;
        } else {
          yield next === 'resync' ? { kind: 'resync' } : { kind: 'event', event: await this.#options.describe(next) };
        }
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', onAbort);
    }
    throw signal.reason;
  }
}

function restart(listener: Listener): void {
  listener.queue.splice(0, listener.queue.length, 'resync');
  listener.wake?.();
}
