import { abortable, withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { ContainerEventType } from '../runtime/types.ts';
import { stepsBetween } from './container-state.ts';
import type { ContainerInspection, ContainerSummary, DockerEngine, EngineEvent } from './engine.ts';
import { INSTANCE_LABEL, decodeRecord, type EngineRecord } from './records.ts';
import { SingleFlight } from './single-flight.ts';

/** One container of ours, a sandbox's pause container included. */
export interface ViewEntry {
  readonly inspection: ContainerInspection;
  readonly record: EngineRecord;
}

/** A step of a container's life that has been seen. `entry` is its last known state, also after it was deleted. */
export interface ViewChange {
  readonly type: ContainerEventType;
  readonly entry: ViewEntry;
}

export interface ContainerViewOptions {
  readonly engine: DockerEngine;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after the view has what it tells. Must not throw. */
  readonly onChange: (change: ViewChange) => void;
}

/** An inspection waits for the container's lock, which a start holds; under load that takes seconds, in a wedge for ever. */
const INSPECT_LIMIT_MS = 30_000;
/** A list answers with what is known rather than wait longer for a container that does not answer. */
const LIST_PATIENCE_MS = 2_000;
/** Inspections at the same time after a reconnection: more only queue up in the engine. */
const RESYNC_CONCURRENCY = 8;
/** Ids of removed containers that a late inspection must not bring back; more than are ever removed within an inspection's limit. */
const MAX_REMEMBERED_REMOVALS = 2_000;

/**
 * All our containers as the engine has them, kept up to date by its events, so that questions need no call to the engine.
 *
 * INVARIANTS
 * 1. An answer to a question asked after an own action has ended includes what it did.
 * 2. A change is told only after the view has it, once, and steps that were passed over are told in order.
 * 3. An object without our instance's label never enters.
 * 4. A removed container does not come back.
 */
export class ContainerView {
  readonly #options: ContainerViewOptions;
  readonly #entries = new Map<string, ViewEntry>();
  /** Containers by sandbox id, for questions about one pod. */
  readonly #members = new Map<string, Set<string>>();
  /** Ids whose entry is older than an own action; with the inspection that will settle it, if one is under way. */
  readonly #owed = new Map<string, Promise<void> | undefined>();
  /** By id: how many events of each kind have come. */
  readonly #seen = new Map<string, Map<string, number>>();
  /** Records of containers that were created but not inspected yet. */
  readonly #noted = new Map<string, EngineRecord>();
  readonly #removed = new Set<string>();
  readonly #inspections = new SingleFlight((id) => this.#inspect(id));

  constructor(options: ContainerViewOptions) {
    this.#options = options;
  }

  /** The state after every own action that has ended. `undefined`: there is no such container. */
  async get(id: string, signal: AbortSignal): Promise<ViewEntry | undefined> {
    await abortable(this.#settle(id), signal);
    return this.#entries.get(id);
  }

  /** What is known without asking. */
  peek(id: string): ViewEntry | undefined {
    return this.#entries.get(id);
  }

  /** Also right after its creation. */
  recordOf(id: string): EngineRecord | undefined {
    return this.#entries.get(id)?.record ?? this.#noted.get(id);
  }

  /** Those whose record matches, after every own action on them that has ended. */
  async list(matches: (record: EngineRecord, id: string) => boolean, signal: AbortSignal): Promise<ViewEntry[]> {
    const owed = [...this.#owed.keys()].filter((id) => {
      const record = this.recordOf(id);
      return record !== undefined && matches(record, id);
    });
    if (owed.length > 0) await this.#patiently(Promise.allSettled(owed.map((id) => this.#settle(id))), signal);
    return [...this.#entries.values()].filter(({ record, inspection }) => matches(record, inspection.id));
  }

  /** What is known of a sandbox's containers, without asking and without the sandbox itself. */
  membersOf(sandboxId: string): ViewEntry[] {
    const ids = this.#members.get(sandboxId) ?? [];
    return [...ids].flatMap((id) => this.#entries.get(id) ?? []);
  }

  /** Does `work` on a container; unless the engine's `event` has told its effect by the end, the next question asks the engine. */
  async act<T>(id: string, event: string, work: () => Promise<T>): Promise<T> {
    const before = this.#seenCount(id, event);
    try {
      const result = await work();
      if (this.#seenCount(id, event) === before) this.#owe(id);
      return result;
    } catch (error) {
      this.#owe(id);
      throw error;
    }
  }

  /** An own container that the engine has just created. */
  noteCreated(id: string, record: EngineRecord): void {
    if (this.#entries.has(id)) return;
    this.#noted.set(id, record);
    this.#owe(id);
  }

  /** An own container that the engine has just removed. */
  noteRemoved(id: string): void {
    this.#remember(id);
    this.#forget(id);
  }

  /** Asks the engine about one container now. */
  refresh(id: string): Promise<void> {
    return this.#inspections.request(id);
  }

  /** One event of the engine. */
  apply(event: EngineEvent): void {
    const id = event.containerId;
    if (event.action === 'destroy') {
      this.noteRemoved(id);
      return;
    }
    if (this.#removed.has(id)) return;
    const counts = this.#seen.get(id) ?? new Map<string, number>();
    counts.set(event.action, (counts.get(event.action) ?? 0) + 1);
    this.#seen.set(id, counts);
    const inspection = this.refresh(id);
    // Whoever asks from here on waits for it: the event may be that of an action that has just ended.
    this.#owed.set(id, inspection);
    this.#settleSilently(id, inspection);
  }

  /** Makes the view equal to the engine's list, after a (re)connection. */
  async resync(signal: AbortSignal): Promise<void> {
    const { engine, instanceId, logger } = this.#options;
    // What was created after the list was made is not in it either, and must stay.
    const before = new Set([...this.#entries.keys(), ...this.#owed.keys()]);
    const listed = await engine.listContainers(labelOf(instanceId), signal);
    for (const { id } of listed) before.delete(id);
    for (const id of before) this.#forget(id);
    const places = new Semaphore(RESYNC_CONCURRENCY);
    await Promise.all(
      listed.map((summary) =>
        places.run(signal, async () => {
          try {
            await abortable(this.refresh(summary.id), signal);
          } catch (error) {
            if (signal.aborted) throw error;
            logger.warn('The engine lists a container but does not tell about it', { id: summary.id, error: errorMessage(error) });
            this.#storeSummary(summary);
          }
        }),
      ),
    );
  }

  /** The safety net: compares with the engine's list and asks about what differs. Answers how many did. */
  async sweep(signal: AbortSignal): Promise<number> {
    const { engine, instanceId } = this.#options;
    const listed = await engine.listContainers(labelOf(instanceId), signal);
    const present = new Set(listed.map((summary) => summary.id));
    const stale = [
      ...listed.filter((summary) => this.#entries.get(summary.id)?.inspection.status !== summary.status).map((summary) => summary.id),
      ...[...this.#entries.keys()].filter((id) => !present.has(id)),
    ];
    await Promise.allSettled(stale.map((id) => abortable(this.refresh(id), signal)));
    return stale.length;
  }

  async #inspect(id: string): Promise<void> {
    const { engine, clock } = this.#options;
    const never = new AbortController().signal;
    try {
      const inspection = await withDeadline(clock, `inspect container ${id}`, INSPECT_LIMIT_MS, never, (signal) =>
        engine.inspectContainer(id, signal),
      );
      this.#store(inspection);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#remember(id);
      this.#forget(id);
    }
  }

  #store(inspection: ContainerInspection): void {
    const { id } = inspection;
    if (this.#removed.has(id)) return;
    const record = decodeRecord(this.#options.instanceId, inspection.labels);
    if (record === undefined) return;
    const before = this.#entries.get(id);
    const entry: ViewEntry = { inspection, record };
    this.#entries.set(id, entry);
    this.#noted.delete(id);
    if (record.kind === 'container') {
      const members = this.#members.get(record.sandboxId) ?? new Set<string>();
      members.add(id);
      this.#members.set(record.sandboxId, members);
    }
    for (const type of stepsBetween(before?.inspection, inspection)) this.#options.onChange({ type, entry });
  }

  /** All that a list tells; for a container that cannot be inspected. */
  #storeSummary(summary: ContainerSummary): void {
    this.#store({
      ...summary,
      startedAt: 0n,
      finishedAt: 0n,
      pid: 0,
      exitCode: 0,
      oomKilled: false,
      error: '',
      tty: false,
      stdinOnce: false,
      stopSignal: undefined,
      logPath: '',
      resolvConfPath: '',
      ips: [],
      resources: {},
      mounts: [],
    });
    this.#owe(summary.id);
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    this.#drop(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    if (entry.record.kind === 'container') {
      const members = this.#members.get(entry.record.sandboxId);
      members?.delete(id);
      if (members?.size === 0) this.#members.delete(entry.record.sandboxId);
    }
    this.#options.onChange({ type: 'deleted', entry });
  }

  #drop(id: string): void {
    this.#owed.delete(id);
    this.#seen.delete(id);
    this.#noted.delete(id);
  }

  #remember(id: string): void {
    this.#removed.add(id);
    if (this.#removed.size <= MAX_REMEMBERED_REMOVALS) return;
    for (const oldest of this.#removed) {
      this.#removed.delete(oldest);
      return;
    }
  }

  #owe(id: string): void {
    if (!this.#removed.has(id)) this.#owed.set(id, undefined);
  }

  async #settle(id: string): Promise<void> {
    if (!this.#owed.has(id)) return;
    let inspection = this.#owed.get(id);
    if (inspection === undefined) {
      inspection = this.refresh(id);
      this.#owed.set(id, inspection);
      this.#settleSilently(id, inspection);
    }
    await inspection;
  }

  /** Clears the debt when it is paid; a failed inspection leaves it to the next question. */
  #settleSilently(id: string, inspection: Promise<void>): void {
    inspection.then(
      () => {
        if (this.#owed.get(id) === inspection) this.#owed.delete(id);
      },
      (error: unknown) => {
        if (this.#owed.get(id) === inspection) this.#owed.set(id, undefined);
        this.#options.logger.debug('Could not inspect a container', { id, error: errorMessage(error) });
      },
    );
  }

  async #patiently(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    try {
      await abortable(Promise.race([work, this.#options.clock.sleep(LIST_PATIENCE_MS, over.signal)]), signal);
    } finally {
      over.abort();
    }
  }

  #seenCount(id: string, event: string): number {
    return this.#seen.get(id)?.get(event) ?? 0;
  }
}

/** The label that every list and event filter names. */
export function labelOf(instanceId: string): string {
  return `${INSTANCE_LABEL}=${instanceId}`;
}
