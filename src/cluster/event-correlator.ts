/**
 * What becomes of an event before it is sent: similar ones are combined, equal ones counted, and too many about one object
 * dropped (client-go tools/record/events_cache.go, with its numbers).
 */
import { formatTime, objectKey } from '../api/meta.ts';
import type { ObjectReference } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { LruMap } from '../lib/lru-map.ts';
import { TokenBucket, type RateLimit } from './rate-limiter.ts';
import type { EventType } from './types.ts';

/** An event as somebody reported it. */
export interface ReportedEvent {
  readonly about: ObjectReference;
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  /** Ms since the epoch. */
  readonly at: number;
}

/** An event as it is to be stored. `count` above 1: the object of that name exists and is to be updated. */
export interface CorrelatedEvent extends ReportedEvent {
  readonly name: string;
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
}

/** Ten different messages of one reason about one object within ten minutes become one event. */
const MAX_SIMILAR = 10;
const SIMILAR_WINDOW_MS = 600_000;
/** 25 events about an object, then one in five minutes. */
const SPAM_LIMIT: RateLimit = { qps: 1 / 300, burst: 25 };
/** Objects and reasons remembered: 250 pods with a handful of reasons each. */
const MAX_REMEMBERED = 2048;

interface SimilarGroup {
  readonly messages: Set<string>;
  lastAt: number;
}

interface Observation {
  count: number;
  readonly name: string;
  readonly firstTimestamp: string;
}

export class EventCorrelator {
  readonly #clock: Clock;
  readonly #similar = new LruMap<string, SimilarGroup>(MAX_REMEMBERED);
  readonly #observed = new LruMap<string, Observation>(MAX_REMEMBERED);
  readonly #spam = new LruMap<string, TokenBucket>(MAX_REMEMBERED);
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `undefined`: to be dropped. */
  correlate(event: ReportedEvent): CorrelatedEvent | undefined {
    const { message, key } = this.#combine(event);
    const now = formatTime(event.at);
    const previous = this.#observed.get(key);
    const observation = previous ?? { count: 0, name: this.#newName(event), firstTimestamp: now };
    observation.count += 1;
    this.#observed.set(key, observation);
    if (!this.#mayPass(event)) return undefined;
    return { ...event, message, ...observation, lastTimestamp: now };
  }

  /** The message to send, and what makes events the same one. */
  #combine(event: ReportedEvent): { readonly message: string; readonly key: string } {
    const groupKey = keyOf(event.about, event.type, event.reason);
    const known = this.#similar.get(groupKey);
    const group = known !== undefined && event.at - known.lastAt <= SIMILAR_WINDOW_MS ? known : { messages: new Set<string>(), lastAt: 0 };
    group.messages.add(event.message);
    group.lastAt = event.at;
    this.#similar.set(groupKey, group);
    if (group.messages.size < MAX_SIMILAR) {
      return { message: event.message, key: keyOf(event.about, event.about.fieldPath, event.type, event.reason, event.message) };
    }
    const [anyMessage = ''] = group.messages;
    group.messages.delete(anyMessage); // keeps the set at its size, and the group combined until it has been quiet
    return { message: `(combined from similar events): ${event.message}`, key: groupKey };
  }

  #mayPass(event: ReportedEvent): boolean {
    const key = keyOf(event.about, event.type);
    const bucket = this.#spam.get(key) ?? new TokenBucket(SPAM_LIMIT, this.#clock);
    this.#spam.set(key, bucket);
    return bucket.tryTake();
  }

  /** Unique for this process and sorted by time, as upstream's: object name and nanoseconds in hexadecimal. */
  #newName({ about, at }: ReportedEvent): string {
    this.#sequence = (this.#sequence + 1) % 1_000_000;
    return `${about.name}.${(BigInt(at) * 1_000_000n + BigInt(this.#sequence)).toString(16)}`;
  }
}

function keyOf(about: ObjectReference, ...parts: readonly (string | undefined)[]): string {
  return [about.kind, objectKey(about.namespace, about.name), about.uid ?? '', about.apiVersion ?? '', ...parts].join('\u0000');
}
