import type { ContainerEvent, ContainerEventMessage } from '../types.ts';

/** A listener that is further behind than this lists everything anew: cheaper than the backlog, and memory stays bounded. */
const MAX_BACKLOG = 1000;

interface Listener {
  backlog: ContainerEventMessage[];
  wake: (() => void) | undefined;
}

/**
 * Hands container events to everyone who listens.
 *
 * INVARIANTS
 * 1. A listener's first message is `resync`.
 * 2. A listener misses no event without a `resync` after it.
 * 3. No backlog is longer than its limit.
 */
export class EventHub {
  readonly #listeners = new Set<Listener>();

  publish(event: ContainerEvent): void {
    for (const listener of this.#listeners) {
      if (listener.backlog.length >= MAX_BACKLOG) listener.backlog = [{ kind: 'resync' }];
      else listener.backlog.push({ kind: 'event', event });
      listener.wake?.();
    }
  }

  /** As if the connection to an engine had been lost and made again: what was on its way is gone. */
  reconnect(): void {
    for (const listener of this.#listeners) {
      listener.backlog = [{ kind: 'resync' }];
      listener.wake?.();
    }
  }

  async *listen(signal: AbortSignal): AsyncGenerator<ContainerEventMessage> {
    const listener: Listener = { backlog: [{ kind: 'resync' }], wake: undefined };
    this.#listeners.add(listener);
    try {
      for (;;) {
        signal.throwIfAborted();
        const message = listener.backlog.shift();
        if (message) yield message;
        else await arrival(listener, signal);
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}

async function arrival(listener: Listener, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = (): void => resolve();
  listener.wake = wake;
  signal.addEventListener('abort', wake, { once: true });
  await promise;
  signal.removeEventListener('abort', wake);
  listener.wake = undefined;
}
