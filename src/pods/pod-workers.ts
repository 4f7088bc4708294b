import { abortable } from '../lib/abort.ts';
import { errorMessage } from '../lib/errors.ts';
import { KeyedQueue } from '../lib/keyed-queue.ts';
import type { Pod } from '../api/types.ts';
import type { PodWorkersOptions } from './options.ts';
import { crashLoopsOf } from './plan/crash-loop.ts';
import { planPod } from './plan/plan-pod.ts';
import type { Plan } from './plan/types.ts';
import { isStaticPod } from './pod-kinds.ts';
import type { PodChange } from './pod-manager.ts';
import type { PodLifecycleListener } from './ports.ts';
import type { PodExplanation } from './types.ts';
import { AdmissionDesk } from './workers/admission-desk.ts';
import { forgiveChangedContainers, overtakes, sameForWorker } from './workers/changes.ts';
import { recordFailures, recordWaits } from './workers/events.ts';
import { explain } from './workers/explain.ts';
import { activeDeadlineAt, endOf, isEarlier, type End } from './workers/lifecycle.ts';
import { noteResult, noteStarts } from './workers/memory.ts';
import { orphanPod } from './workers/orphan.ts';
import { StatusReporter } from './workers/status-reporter.ts';
import { newWorkerState, type WorkerState } from './workers/worker-state.ts';

/**
 * Runs at once: every pod may need its worker for as long as its containers take to end, and one that waits must not hold up
 * another; so more than a node has pods (110 by default), those that are ending beside their successors included.
 */
const MAX_WORKERS = 500;
/** Plans carried out in a row for one pod before the worker takes a failure's pause: a plan that never comes to rest is a fault. */
const MAX_ROUNDS = 60;
/** After an error that is nobody's step (the runtime cannot be asked): soon, then every ten seconds. */
const RETRY = { initialMs: 250, maxMs: 10_000, factor: 2, jitter: 0.2 };

/**
 * One worker for each pod UID: plans, has the plan carried out, looks, plans again until there is nothing to do
 * (kubelet pkg/kubelet/pod_workers.go, kubelet.go SyncPod / SyncTerminatingPod / SyncTerminatedPod, HandlePodCleanups).
 *
 * INVARIANTS
 * - A pod has one worker, and that carries out one plan at a time.
 * - A pod goes from syncing over terminating to terminated and never back; nothing is started for it after syncing.
 * - A plan that has been overtaken (deletion, a shorter grace period, another image) is interrupted, and what it did is looked at
 *   before the next.
 * - After a plan was carried out, the next is made only from an observation that is younger.
 * - A pod that runs already when the agent starts is admitted before those that do not, and is not checked again.
 * - A pod is reported as finished only when nothing of it runs and it has been cleaned up.
 * - What nobody desires is ended only when every source has been heard.
 * - A pod whose predecessor of the same name has not gone yet waits for that (static pods).
 * - After `stop` nothing is started or stopped any more.
 */
export class PodWorkers {
  readonly #options: PodWorkersOptions;
  readonly #states = new Map<string, WorkerState>();
  readonly #listeners = new Set<PodLifecycleListener>();
  readonly #queue: KeyedQueue;
  readonly #admission: AdmissionDesk;
  readonly #reporter: StatusReporter;
  readonly #unsubscribe: (() => void)[] = [];
  #started = false;

  constructor(options: PodWorkersOptions) {
    this.#options = options;
    this.#admission = new AdmissionDesk(options);
    this.#reporter = new StatusReporter(options);
    this.#queue = new KeyedQueue({
      clock: options.clock,
      concurrency: MAX_WORKERS,
      backoff: RETRY,
      work: (uid, signal) => this.#work(uid, signal),
      onError: (uid, error, failures, retryInMs) => this.#logFailure(uid, error, failures, retryInMs),
      ...(options.random === undefined ? {} : { random: options.random }),
    });
  }

  /** Resolves when the workers have begun, which is after the runtime's first full list. Call once. */
  async start(signal: AbortSignal): Promise<void> {
    const { cache, pods, probes } = this.#options;
    await abortable(cache.synced, signal);
    this.#started = true;
    this.#onPods(pods.list().map((pod) => ({ kind: 'added', pod, source: 'api' })));
    this.#unsubscribe.push(
      pods.onChange((changes) => this.#onPods(changes)),
      cache.onChange((uid) => this.#onObserved(uid)),
      probes.onChange((uid) => this.#touch(uid)),
    );
  }

  /** Ends the workers where they are; containers are left as they are. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#reporter.stop();
    await this.#queue.stop();
  }

  /** Told of every step in a pod's life from now on. Answers the function that ends the subscription. */
  onLifecycle(listener: PodLifecycleListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is being done with the pod and what it waits for. */
  explain(uid: string): PodExplanation | undefined {
    const state = this.#states.get(uid);
    return state === undefined ? undefined : explain(state);
  }

  /** UIDs of pods that have a worker: their directories, cgroups and volumes are in use. */
  uids(): readonly string[] {
    return [...this.#states.keys()];
  }

  /** Whether a pod of this name has a worker, if only to end it. */
  usesName(namespace: string, name: string): boolean {
    return [...this.#states.values()].some(({ pod: { metadata } }) => metadata.namespace === namespace && metadata.name === name);
  }

  /** Ends a pod that its source still wants (eviction, preemption): phase Failed with these words. */
  evict(uid: string, end: End): void {
    const state = this.#states.get(uid);
    if (state === undefined || state.lifecycle === 'terminated') return;
    this.#end(state, end);
    this.#queue.add(uid);
  }

  #onPods(changes: readonly PodChange[]): void {
    const added: WorkerState[] = [];
    for (const change of changes) {
      if (change.kind === 'mirror') continue;
      const { uid } = change.pod.metadata;
      if (change.kind === 'removed') this.#onRemoved(uid, change.pod);
      else {
        const state = this.#onDesired(uid, change.pod);
        if (state !== undefined) added.push(state);
      }
    }
    this.#admission.open(added, [...this.#states.values()]);
    for (const { pod } of added) this.#queue.add(pod.metadata.uid);
    this.#adoptOrphans();
  }

  /** Answers the state that is new. */
  #onDesired(uid: string, pod: Pod): WorkerState | undefined {
    const state = this.#states.get(uid);
    if (state === undefined) {
      const fresh = this.#newState(pod, false);
      fresh.memory.crashLoop = crashLoopsOf(pod, this.#reporter.previous(fresh));
      return fresh;
    }
    if (!state.desired) {
      state.successor = pod;
      return undefined;
    }
    const before = state.pod;
    state.pod = pod;
    if (sameForWorker(before, pod)) return undefined;
    state.memory.volumesPrepared = false;
    forgiveChangedContainers(state.memory, before, pod);
    if (overtakes(state, before, this.#options.clock.now())) state.execution?.interrupt.abort();
    this.#queue.add(uid);
    return undefined;
  }

  #onRemoved(uid: string, lastKnown: Pod): void {
    const state = this.#states.get(uid);
    if (state === undefined) return;
    state.successor = undefined;
    if (!state.desired) return;
    const before = state.pod;
    state.desired = false;
    state.pod = lastKnown;
    if (overtakes(state, before, this.#options.clock.now())) state.execution?.interrupt.abort();
    this.#queue.add(uid);
  }

  #onObserved(uid: string): void {
    if (this.#states.has(uid)) this.#touch(uid);
    else this.#adoptOrphans();
  }

  /** While a plan is carried out, what has changed meanwhile is at least reported. */
  #touch(uid: string): void {
    const state = this.#states.get(uid);
    if (state === undefined) return;
    if (state.execution !== undefined) this.#reporter.reportSoon(state);
    this.#queue.add(uid);
  }

  #adoptOrphans(): void {
    const { cache, pods } = this.#options;
    if (!this.#started || !pods.allSourcesSeen) return;
    for (const uid of cache.uids()) {
      if (this.#states.has(uid) || pods.get(uid) !== undefined) continue;
      const observed = cache.get(uid);
      if (observed === undefined) continue;
      this.#newState(orphanPod(observed), true).admission = 'admitted';
      this.#queue.add(uid);
    }
  }

  #newState(pod: Pod, orphan: boolean): WorkerState {
    const state = newWorkerState(pod, orphan);
    this.#states.set(pod.metadata.uid, state);
    return state;
  }

  async #work(uid: string, signal: AbortSignal): Promise<void> {
    const state = this.#states.get(uid);
    if (state === undefined || this.#waitsForPredecessor(state)) return;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (state.outdated) await this.#look(state, signal);
      await this.#reporter.readMessages(state, signal);
      signal.throwIfAborted();
      this.#checkEnd(state);
      const plan = this.#plan(state);
      if (plan.finished) {
        this.#finishPod(state);
        continue;
      }
      const idle = plan.actions.length === 0;
      if (idle && plan.waiting.length === 0 && state.lifecycle === 'terminating') {
        this.#move(state, 'terminated');
        continue;
      }
      recordWaits(this.#options.events, state, plan);
      this.#keepWaiting(state, plan);
      this.#reporter.report(state, plan);
      if (idle) {
        this.#rest(state, plan);
        return;
      }
      await this.#execute(state, plan, signal);
    }
    throw new Error(`the pod did not come to rest in ${MAX_ROUNDS} rounds`);
  }

  /** Rejects when the runtime cannot be asked: then nothing is planned. */
  async #look(state: WorkerState, signal: AbortSignal): Promise<void> {
    const { cache, log } = this.#options;
    const { uid, namespace, name } = state.pod.metadata;
    const observed = await cache.refresh(uid, signal);
    state.outdated = false;
    if (state.orphan && state.lifecycle === 'syncing' && observed !== undefined) {
      log.info('The runtime has a pod that nobody desires, ending it', { pod: `${namespace}/${name}`, uid });
    }
  }

  #plan(state: WorkerState): Plan {
    const { cache, probes, settings, clock } = this.#options;
    const { pod, lifecycle, memory, termination } = state;
    return planPod({
      pod,
      observed: cache.get(pod.metadata.uid),
      lifecycle,
      termination: termination === undefined ? undefined : { ...termination, remove: isRemoved(state) },
      memory,
      previous: this.#reporter.previous(state),
      probes,
      settings,
      now: clock.now(),
    });
  }

  /** Every container has ended by itself: the rest of the pod follows. */
  #finishPod(state: WorkerState): void {
    const graceSeconds = state.pod.spec.terminationGracePeriodSeconds ?? 0;
    this.#end(state, { reason: 'every container of the pod has ended', graceSeconds });
  }

  #checkEnd(state: WorkerState): void {
    if (state.lifecycle === 'terminated') return;
    const { clock } = this.#options;
    if (typeof state.admission === 'object') {
      this.#end(state, { reason: state.admission.message, graceSeconds: 0 });
      return;
    }
    const { pod, desired, orphan } = state;
    const end = endOf({ pod, desired, orphan, previous: this.#reporter.previous(state), now: clock.now() });
    if (end !== undefined) this.#end(state, end);
  }

  #end(state: WorkerState, end: End): void {
    const since = this.#options.clock.now();
    const { termination } = state;
    if (termination === undefined || isEarlier(end, termination, since)) {
      state.termination = { reason: end.reason, graceSeconds: end.graceSeconds, since };
      // What stood in the way of starting does not stand in the way of stopping.
      state.memory.podFailure = undefined;
      state.memory.podFailures = 0;
      state.execution?.interrupt.abort();
    }
    state.override ??= end.override;
    if (state.lifecycle === 'syncing') this.#move(state, 'terminating');
  }

  #move(state: WorkerState, lifecycle: 'terminating' | 'terminated'): void {
    state.lifecycle = lifecycle;
    for (const listener of [...this.#listeners]) listener(state.pod, lifecycle);
  }

  async #execute(state: WorkerState, plan: Plan, signal: AbortSignal): Promise<void> {
    const { cache, executor, clock, settings, events, random } = this.#options;
    const { pod, memory } = state;
    const { uid } = pod.metadata;
    const observed = cache.get(uid);
    const interrupt = new AbortController();
    if (state.lifecycle === 'syncing' && !memory.volumesPrepared) for (const listener of this.#listeners) listener(pod, 'syncing');
    noteStarts(memory, pod, observed, plan.actions, settings, clock.now());
    state.execution = { actions: plan.actions, since: clock.now(), interrupt };
    state.outdated = true;
    try {
      const result = await executor.execute({ pod, observed }, plan.actions, AbortSignal.any([signal, interrupt.signal]));
      signal.throwIfAborted();
      // Of an interrupted plan only what was done counts: the rest failed because we wanted it to.
      const counted = interrupt.signal.aborted ? { ...result, failed: [] } : result;
      noteResult(memory, counted, clock.now(), random);
      recordFailures(events, pod, counted);
      if (state.pod !== pod && !sameForWorker(pod, state.pod)) memory.volumesPrepared = false;
    } finally {
      state.execution = undefined;
    }
  }

  #keepWaiting(state: WorkerState, plan: Plan): void {
    const now = this.#options.clock.now();
    state.waiting = plan.waiting.map((waiting) => {
      const before = state.waiting.find(({ container, reason }) => container === waiting.container && reason === waiting.reason);
      return { ...waiting, since: before?.since ?? now };
    });
  }

  #rest(state: WorkerState, plan: Plan): void {
    const { cache, clock } = this.#options;
    const { uid } = state.pod.metadata;
    if (state.lifecycle === 'terminated' && !state.desired && cache.get(uid) === undefined && plan.waiting.length === 0) {
      this.#forget(state);
      return;
    }
    const deadline = state.lifecycle === 'syncing' ? activeDeadlineAt(state.pod, this.#reporter.previous(state)) : undefined;
    const wakes = [plan.wakeAt, deadline].filter((at) => at !== undefined);
    state.wakeAt = wakes.length === 0 ? undefined : Math.min(...wakes);
    if (state.wakeAt !== undefined) this.#queue.addAfter(uid, state.wakeAt - clock.now());
  }

  #forget(state: WorkerState): void {
    const { uid, namespace, name } = state.pod.metadata;
    this.#reporter.forget(uid);
    this.#states.delete(uid);
    this.#queue.forget(uid);
    for (const listener of [...this.#listeners]) listener(state.pod, 'gone');
    if (state.successor !== undefined) this.#onPods([{ kind: 'added', pod: state.successor, source: 'api' }]);
    for (const { pod } of this.#states.values()) {
      if (pod.metadata.namespace === namespace && pod.metadata.name === name) this.#queue.add(pod.metadata.uid);
    }
  }

  /** A changed manifest is another pod of the same name, meant to take the place (the ports, the host paths) of the one before. */
  #waitsForPredecessor(state: WorkerState): boolean {
    if (state.lifecycle !== 'syncing' || !isStaticPod(state.pod)) return false;
    const { uid, namespace, name } = state.pod.metadata;
    for (const other of this.#states.values()) {
      const { metadata } = other.pod;
      if (metadata.uid === uid) return false;
      if (metadata.namespace !== namespace || metadata.name !== name) continue;
      const message = `the previous pod of this name (${metadata.uid}) has not gone yet`;
      state.waiting = [{ reason: 'Terminating', message, since: this.#options.clock.now() }];
      return true;
    }
    return false;
  }

  #logFailure(uid: string, error: unknown, failures: number, retryInMs: number): void {
    const pod = this.#states.get(uid)?.pod;
    const fields = { pod: pod === undefined ? undefined : `${pod.metadata.namespace}/${pod.metadata.name}`, uid, retryInMs };
    if (failures === 1) this.#options.log.warn('A pod could not be worked on, trying again', { ...fields, error: errorMessage(error) });
    else this.#options.log.debug('A pod still cannot be worked on', { ...fields, error: errorMessage(error), failures });
  }
}

/** Nobody can ask for what is left of it. */
function isRemoved({ pod, desired }: WorkerState): boolean {
  return !desired || pod.metadata.deletionTimestamp !== undefined;
}
