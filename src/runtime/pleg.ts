import { withDeadline } from '../lib/abort.ts';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { errorMessage, isUnimplemented } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { ObservedPod, PodCache } from '../pods/types.ts';
import { PodStore } from './pod-store.ts';
import { listPods, readStatuses } from './read-pods.ts';
import type { Container, RuntimeService } from './types.ts';

export interface PlegDeps {
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The pod lifecycle event generator: keeps the pod cache true to the runtime. */
export interface Pleg extends PodCache {
  /** Follows the runtime until aborted; never rejects for a runtime that is away. Call once. */
  run(signal: AbortSignal): Promise<void>;
  /** `undefined` while healthy, else what is wrong, for the node's Ready condition. */
  unhealthy(): string | undefined;
}

/** With events a list only finds what was lost on the way: a minute is the longest that a lost event may go unnoticed. */
const SWEEP_MS = 60_000;
/** Without events: the kubelet's relist period while things change, longer while nothing does. */
const RELIST_MS = 1_000;
const QUIET_RELIST_MS = 5_000;
const QUIETER = 1.5;
/** Status calls at a time: hides their latency without crowding out what pods wait for. */
const STATUS_CALLS = 8;
/** A list with its statuses; the engine answers in milliseconds or is stuck. */
const LIST_LIMIT_MS = 120_000;
/** kubelet pkg/kubelet/pleg: without a list for so long the node is not ready. */
const HEALTH_THRESHOLD_MS = 180_000;
const RETRY: BackoffPolicy = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.3 };

export function createPleg(deps: PlegDeps): Pleg {
  return new EventedPleg(deps);
}

/**
 * Takes the runtime's events as they are, lists everything once after each (re)connection and now and then, and lists more often
 * where there are no events.
 *
 * INVARIANTS
 * 1. One full list at a time; any number of wishes for one during a list make exactly one more.
 * 2. A full list asks for the status only of pods whose states differ from what is known.
 * 3. Listeners are called once for any number of changes of a pod that happen together, and not without a change.
 * 4. At rest nothing but the sweep is asked of a runtime that has events.
 * The order of lists and events is PodStore's.
 */
class EventedPleg implements Pleg {
  readonly #runtime: RuntimeService;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store = new PodStore();
  readonly #places = new Semaphore(STATUS_CALLS);
  readonly #listeners = new Set<(uid: string) => void>();
  readonly #changed = new Set<string>();
  readonly #synced = Promise.withResolvers<void>();
  #hasEvents = true;
  #relistMs = RELIST_MS;
  #listWanted = false;
  #wake: (() => void) | undefined;
  #soon: Timer | undefined;
  #lastList: number | undefined;

  constructor({ runtime, clock, logger }: PlegDeps) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#logger = logger;
  }

  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get(uid: string): ObservedPod | undefined {
    return this.#store.get(uid);
  }

  uids(): readonly string[] {
    return this.#store.uids();
  }

  async refresh(uid: string, signal: AbortSignal): Promise<ObservedPod | undefined> {
    this.#expectChanges();
    const asOf = this.#nowNs();
    await withDeadline(this.#clock, 'reading a pod from the runtime', LIST_LIMIT_MS, signal, async (limited) => {
      const listed = (await listPods(this.#runtime, uid, limited)).get(uid) ?? { sandboxes: [], containers: [] };
      const sandboxes = await readStatuses(this.#runtime, listed, (container) => this.#unchanging(container), this.#places, limited);
      if (this.#store.applyPod(uid, sandboxes, asOf, this.#clock.now())) this.#announce(uid);
    });
    return this.#store.get(uid);
  }

  onChange(listener: (uid: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  unhealthy(): string | undefined {
    if (this.#lastList === undefined) return 'pleg has yet to be successful';
    const elapsed = this.#clock.monotonic() - this.#lastList;
    if (elapsed <= HEALTH_THRESHOLD_MS) return undefined;
    return `pleg was last seen active ${Math.floor(elapsed / 1000)}s ago; threshold is ${HEALTH_THRESHOLD_MS / 60_000}m0s`;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followEvents(signal), this.#keepListing(signal)]);
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        for await (const message of this.#runtime.containerEvents(signal)) {
          failures = 0;
          if (message.kind === 'resync') this.#wantList();
          else this.#take(this.#store.applyEvent(message.event, this.#clock.now()));
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isUnimplemented(error)) {
          this.#logger.info('The runtime has no container events: containers are listed instead');
          this.#hasEvents = false;
          this.#wantList();
          return;
        }
        this.#logger.warn('The stream of container events broke', { error: errorMessage(error) });
      }
      await this.#pause(backoffDelay(RETRY, Math.max(failures, 1)), signal);
    }
  }

  async #keepListing(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      await this.#nextList(failures, signal);
      if (signal.aborted) return;
      this.#listWanted = false;
      try {
        await withDeadline(this.#clock, 'listing containers', LIST_LIMIT_MS, signal, (limited) => this.#list(limited));
        if (failures > 0) this.#logger.info('Containers can be listed again');
        failures = 0;
        this.#lastList = this.#clock.monotonic();
        this.#synced.resolve();
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#listWanted = true;
        if (failures === 1) this.#logger.warn('Containers could not be listed; trying again', { error: errorMessage(error) });
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const asOf = this.#nowNs();
    const pods = await listPods(this.#runtime, undefined, signal);
    let changes = 0;
    const check = async (uid: string): Promise<void> => {
      const listed = pods.get(uid) ?? { sandboxes: [], containers: [] };
      if (this.#store.matches(uid, listed.sandboxes, listed.containers)) return;
      const sandboxes = await readStatuses(this.#runtime, listed, (container) => this.#unchanging(container), this.#places, signal);
      if (!this.#store.applyPod(uid, sandboxes, asOf, this.#clock.now())) return;
      changes += 1;
      this.#announce(uid);
    };
    await Promise.all([...new Set([...pods.keys(), ...this.#store.uids()])].map(check));
    this.#store.listed(asOf);
    this.#relistMs = changes > 0 ? RELIST_MS : Math.min(this.#relistMs * QUIETER, QUIET_RELIST_MS);
  }

  /** Something has just been done to the runtime: what follows from it should not have to wait for a slow list. */
  #expectChanges(): void {
    this.#relistMs = RELIST_MS;
    if (this.#hasEvents || this.#soon !== undefined) return;
    this.#soon = this.#clock.after(RELIST_MS, () => {
      this.#soon = undefined;
      this.#wantList();
    });
  }

  #unchanging({ id, state }: Container) {
    return state === 'exited' ? this.#store.exited(id) : undefined;
  }

  #take(uid: string | undefined): void {
    if (uid !== undefined) this.#announce(uid);
  }

  #announce(uid: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#tellListeners());
    this.#changed.add(uid);
  }

  #tellListeners(): void {
    const uids = [...this.#changed];
    this.#changed.clear();
    for (const uid of uids) for (const listener of this.#listeners) listener(uid);
  }

  #wantList(): void {
    this.#listWanted = true;
    this.#wake?.();
  }

  /** Waits for the next list: the one that is wanted, after a failure its back-off, else the sweep. */
  async #nextList(failures: number, signal: AbortSignal): Promise<void> {
    if (failures > 0) return this.#pause(backoffDelay(RETRY, failures), signal);
    if (this.#listWanted) return;
    const woken = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.#wake = () => woken.resolve();
    await Promise.race([woken.promise, this.#pause(this.#hasEvents ? SWEEP_MS : this.#relistMs, AbortSignal.any([signal, stop.signal]))]);
    this.#wake = undefined;
    stop.abort();
  }

  /** Ends early, without an error, when aborted. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #nowNs(): bigint {
    return BigInt(Math.floor(this.#clock.now())) * 1_000_000n;
  }
}
