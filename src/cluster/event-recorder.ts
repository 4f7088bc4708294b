/** Sends events to the API server in the background (client-go tools/record/event.go). */
import type { EventObject, KubeObject, ObjectReference } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isAlreadyExists, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { EventCorrelator, type CorrelatedEvent, type ReportedEvent } from './event-correlator.ts';
import { EVENTS } from './resources.ts';
import { apiStatus } from './status-error.ts';
import type { ApiClient, EventRecorder, EventType } from './types.ts';

export interface EventRecorderOptions {
  readonly client: Pick<ApiClient, 'create' | 'patch'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Events that wait to be sent, as upstream's; beyond it new ones are dropped. */
const MAX_QUEUED = 1000;
/** Tries of one event while the server cannot be reached, as upstream. */
const MAX_TRIES = 12;
const RETRY_MS = 10_000;
/** Cluster-scoped objects have no namespace; their events lie here. */
const DEFAULT_NAMESPACE = 'default';
/** `kubectl describe` and tools look for the kubelet's events under this name. */
const COMPONENT = 'kubelet';

/**
 * INVARIANTS
 * - `event` returns at once and never throws.
 * - Events are sent one at a time in the order in which they were recorded.
 * - An event that the server refuses is not sent again; while the server is away, at most MAX_QUEUED wait.
 */
export class ApiEventRecorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  readonly #queue: ReportedEvent[] = [];
  #wake: () => void = () => undefined;
  #dropped = 0;
  #refusing = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#correlator = new EventCorrelator(options.clock);
  }

  event(about: ObjectReference, type: EventType, reason: string, message: string): void {
    this.#options.log.debug('Event', { kind: about.kind, namespace: about.namespace, name: about.name, type, reason, message });
    if (this.#queue.length >= MAX_QUEUED) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push({ about, type, reason, message, at: this.#options.clock.now() });
    this.#wake();
  }

  /** Sends what is recorded, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const next = this.#queue.shift();
      if (next === undefined) {
        this.#reportDropped();
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const correlated = this.#correlator.correlate(next);
      if (correlated !== undefined) await this.#send(correlated, signal);
    }
    signal.removeEventListener('abort', onAbort);
  }

  async #send(event: CorrelatedEvent, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      try {
        await this.#store(event, signal);
        this.#refusing = false;
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (apiStatus(error) !== undefined) {
          this.#refused(event, error);
          return;
        }
      }
      try {
        await clock.sleep(tries === 1 ? RETRY_MS * random() : RETRY_MS, signal);
      } catch {
        return; // only the signal ends a sleep
      }
    }
    this.#dropped += 1;
  }

  #refused(event: CorrelatedEvent, error: unknown): void {
    // Routine, and not worth a line: it is there already, or its namespace is on the way out. Otherwise one line until one is taken again.
    const routine = isAlreadyExists(error) || isNamespaceTerminating(error);
    this.#options.log[routine || this.#refusing ? 'debug' : 'warn']('The API server refused an event', {
      reason: event.reason,
      name: event.about.name,
      error: errorMessage(error),
    });
    if (!routine) this.#refusing = true;
  }

  async #store(event: CorrelatedEvent, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const namespace = event.about.namespace ?? DEFAULT_NAMESPACE;
    if (event.count > 1) {
      const { count, lastTimestamp, message } = event;
      try {
        await client.patch(
          EVENTS,
          { namespace, name: event.name },
          { type: 'strategic-merge', body: { count, lastTimestamp, message } },
          signal,
        );
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error; // events expire after an hour: then it is made anew
      }
    }
    await client.create(EVENTS, { namespace }, this.#object(event, namespace), signal);
  }

  #object(event: CorrelatedEvent, namespace: string): EventObject & KubeObject {
    const { nodeName } = this.#options;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: event.name, namespace },
      involvedObject: event.about,
      type: event.type,
      reason: event.reason,
      message: event.message,
      count: event.count,
      firstTimestamp: event.firstTimestamp,
      lastTimestamp: event.lastTimestamp,
      source: { component: COMPONENT, host: nodeName },
      reportingComponent: COMPONENT,
      reportingInstance: nodeName,
    };
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    this.#options.log.warn('Events were dropped because the API server did not take them', { count: this.#dropped });
    this.#dropped = 0;
  }
}

function isNamespaceTerminating(error: unknown): boolean {
  return apiStatus(error)?.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false;
}
