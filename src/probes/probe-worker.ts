import type { Pod } from '../api/types.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import type { ObservedContainer, ObservedPod } from '../pods/types.ts';
import { timingOf, type ContainerProbe, type Timing } from './probe-spec.ts';
import type { ProbeResultStore } from './probe-results.ts';
import type { ProbeOutcome, ProbeVerdict } from './types.ts';

export interface ProbeTarget {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly containerId: string;
}

export interface ProbeWorkerDeps {
  readonly clock: Clock;
  readonly results: ProbeResultStore;
  readonly random: () => number;
  /** When the agent started, ms since the epoch. */
  readonly startedAt: number;
  /** One try, its events included; waits for its turn. */
  readonly run: (target: ProbeTarget, timeoutMs: number, signal: AbortSignal) => Promise<ProbeOutcome['outcome']>;
  /** Whether the container's startup probe has succeeded, or it has none. */
  readonly hasStarted: (containerId: string) => boolean;
}

/** Containers that started this much before the agent, or earlier, were there before it (kubelet: kubeletRestartGracePeriod). */
const RESTART_GRACE_MS = 10_000;
const NS_PER_MS = 1_000_000n;

/** What is known before the first result. */
const INITIAL: Readonly<Record<ContainerProbe['kind'], ProbeVerdict>> = { liveness: 'success', readiness: 'failure', startup: 'unknown' };

/**
 * One probe of one container of a pod, across the container's restarts (kubelet pkg/kubelet/prober/worker.go).
 *
 * INVARIANTS
 * - At most one try at a time; the next begins one period after the last began, or when the last has ended if that is later.
 * - A verdict changes only after `successThreshold` or `failureThreshold` equal results in a row; errors of the agent count for neither.
 * - Nothing is tried while the container does not run, before its initial delay, before it has started (other than by the startup
 *   probe itself), after a startup probe has decided, and after a liveness probe has failed: then only a new container resumes.
 * - A result that arrives after its container was replaced or the probe was stopped changes nothing.
 */
export class ProbeWorker {
  readonly #deps: ProbeWorkerDeps;
  readonly #probe: ContainerProbe;
  readonly #timing: Timing;
  #pod: Pod;
  #observed: ObservedPod | undefined;
  #containerId: string | undefined;
  #last: 'success' | 'failure' | undefined;
  #inARow = 0;
  #onHold = false;
  /** The container ran before the agent did. */
  #isOld = false;
  #stopped = false;
  #timer: Timer | undefined;
  #attempt: AbortController | undefined;

  constructor(probe: ContainerProbe, pod: Pod, deps: ProbeWorkerDeps) {
    this.#probe = probe;
    this.#timing = timingOf(probe.probe);
    this.#pod = pod;
    this.#deps = deps;
  }

  /** The pod as it is wanted now. */
  set pod(pod: Pod) {
    this.#pod = pod;
  }

  /** The pod as it is now: follows the container, and starts or ends the tries. */
  observe(observed: ObservedPod | undefined): void {
    if (this.#stopped) return;
    this.#observed = observed;
    const container = observed?.containers.find(({ metadata }) => metadata.name === this.#probe.container.name);
    if (container === undefined) {
      this.#pause();
      return;
    }
    if (container.id !== this.#containerId) this.#follow(container);
    if (container.state !== 'running') {
      this.#pause();
      if (container.state === 'exited' && this.#probe.kind === 'readiness') this.#decide('failure');
      return;
    }
    this.resume(container);
  }

  /** Something that tries wait for may have come. */
  resume(container = this.#observed?.containers.find(({ id }) => id === this.#containerId)): void {
    if (this.#stopped || this.#onHold || this.#timer !== undefined || this.#attempt !== undefined) return;
    if (container?.state !== 'running' || !this.#mayTry(container.id)) return;
    const age = this.#deps.clock.now() - startTime(container);
    this.#schedule(Math.max(0, this.#timing.initialDelayMs - age) + this.#jitter());
  }

  /** Ends the probe and forgets its verdict. */
  stop(): void {
    this.#stopped = true;
    this.#pause();
    if (this.#containerId !== undefined) this.#deps.results.remove(this.#probe.kind, this.#containerId);
  }

  #follow(container: ObservedContainer): void {
    this.#pause();
    if (this.#containerId !== undefined) this.#deps.results.remove(this.#probe.kind, this.#containerId);
    this.#containerId = container.id;
    this.#last = undefined;
    this.#inARow = 0;
    this.#onHold = false;
    this.#isOld = container.state === 'running' && this.#ranBefore(container);
    if (!this.#isOld) this.#decide(INITIAL[this.#probe.kind]);
    else if (this.#probe.kind === 'startup' && this.#wasReportedStarted(container.id)) {
      this.#onHold = true;
      this.#decide('success');
    }
  }

  /** The kubelet knows by the time alone; what was reported of a younger container must not be taken back either. */
  #ranBefore(container: ObservedContainer): boolean {
    const age = this.#deps.startedAt - startTime(container);
    return age > RESTART_GRACE_MS || (age > 0 && this.#wasReportedStarted(container.id));
  }

  /** What an earlier run of the agent has told the API server of this very container. */
  #wasReportedStarted(containerId: string): boolean {
    const { containerStatuses = [], initContainerStatuses = [] } = this.#pod.status ?? {};
    return [...containerStatuses, ...initContainerStatuses].some(
      ({ containerID, started }) => started === true && containerID?.endsWith(`://${containerId}`) === true,
    );
  }

  #mayTry(containerId: string): boolean {
    return this.#probe.kind === 'startup' || this.#deps.hasStarted(containerId);
  }

  /**
   * Liveness probes begin somewhere in their first period, so that a container that has only just started has a moment and pods
   * do not fall into step; so do all probes of containers that a restarted agent finds. Others begin at once.
   */
  #jitter(): number {
    return this.#probe.kind === 'liveness' || this.#isOld ? this.#deps.random() * this.#timing.periodMs : 0;
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#try();
    });
  }

  async #try(): Promise<void> {
    const observed = this.#observed;
    const containerId = this.#containerId;
    if (observed === undefined || containerId === undefined) return;
    const began = this.#deps.clock.monotonic();
    const attempt = new AbortController();
    this.#attempt = attempt;
    const outcome = await this.#deps.run({ pod: this.#pod, observed, containerId }, this.#timing.timeoutMs, attempt.signal);
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    if (outcome !== 'error') this.#count(outcome === 'failure' ? 'failure' : 'success');
    if (this.#onHold) return;
    this.#schedule(Math.max(0, began + this.#timing.periodMs - this.#deps.clock.monotonic()));
  }

  #count(result: 'success' | 'failure'): void {
    this.#inARow = this.#last === result ? this.#inARow + 1 : 1;
    this.#last = result;
    const needed = result === 'success' ? this.#timing.successThreshold : this.#timing.failureThreshold;
    if (this.#inARow < needed) return;
    this.#onHold = this.#probe.kind === 'startup' || (this.#probe.kind === 'liveness' && result === 'failure');
    this.#decide(result);
  }

  /** The last thing to do: whoever hears of it may come back to this worker. */
  #decide(verdict: ProbeVerdict): void {
    if (this.#containerId === undefined) return;
    this.#deps.results.set({ podUid: this.#pod.metadata.uid, containerId: this.#containerId, kind: this.#probe.kind, verdict });
  }

  /** No try is planned or awaited after this. */
  #pause(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#attempt?.abort();
    this.#attempt = undefined;
  }
}

/** Milliseconds since the epoch. */
function startTime(container: ObservedContainer): number {
  return Number(container.startedAt / NS_PER_MS);
}
