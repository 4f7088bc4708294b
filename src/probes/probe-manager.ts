import { containerReference } from '../api/object-reference.ts';
import type { Pod } from '../api/types.ts';
import { errorMessage } from '../lib/errors.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { createProbeRunner } from './probe-runner.ts';
import { ProbeResultStore } from './probe-results.ts';
import { probesOf, type ContainerProbe } from './probe-spec.ts';
import { ProbeWorker, type ProbeTarget } from './probe-worker.ts';
import type { ProbeKind, ProbeManager, ProbeManagerDeps, ProbeOutcome } from './types.ts';

/** Commands in containers at once: each costs the engine a process start, and more only make each other time out. */
const MAX_EXEC = 16;
/** Connections at once: cheap, but a node full of dead pods must not use up the descriptors. */
const MAX_NETWORK = 128;
/** Tries before the agent's own failure to try is reported (kubelet: maxProbeRetries). */
const MAX_TRIES = 3;

const EVENT_NAMES: Readonly<Record<ProbeKind, string>> = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' };

/** Liveness, readiness and startup probes of the node's pods (kubelet pkg/kubelet/prober). */
export function createProbeManager(deps: ProbeManagerDeps): ProbeManager {
  return new NodeProbeManager(deps);
}

/**
 * INVARIANTS
 * - One worker for each probe of a pod, from `syncPod` until it is stopped.
 * - A worker sees every change of its pod in the cache, and readiness and liveness resume when startup succeeds.
 * - At most MAX_EXEC commands and MAX_NETWORK connections at once; waiting for a place is not part of a probe's timeout.
 */
class NodeProbeManager implements ProbeManager {
  readonly results = new ProbeResultStore();
  readonly #deps: ProbeManagerDeps;
  readonly #runProbe: ReturnType<typeof createProbeRunner>;
  readonly #workers = new Map<string, Map<string, ProbeWorker>>();
  readonly #exec = new Semaphore(MAX_EXEC);
  readonly #network = new Semaphore(MAX_NETWORK);
  readonly #startedAt: number;
  readonly #running = new Set<Promise<unknown>>();
  readonly #unsubscribe: readonly (() => void)[];

  constructor(deps: ProbeManagerDeps) {
    this.#deps = deps;
    this.#runProbe = createProbeRunner(deps);
    this.#startedAt = deps.clock.now();
    this.#unsubscribe = [
      deps.cache.onChange((uid) => this.#observe(uid)),
      this.results.onChange((podUid, { kind, verdict }) => {
        if (kind !== 'startup' || verdict !== 'success') return;
        for (const worker of this.#of(podUid)) worker.resume();
      }),
    ];
  }

  syncPod(pod: Pod): void {
    const { uid, deletionTimestamp } = pod.metadata;
    const workers = this.#workers.get(uid) ?? new Map<string, ProbeWorker>();
    if (deletionTimestamp !== undefined) this.stopLivenessAndStartup(uid);
    for (const probe of probesOf(pod)) {
      const key = keyOf(probe.container.name, probe.kind);
      const worker = workers.get(key);
      if (worker !== undefined) worker.pod = pod;
      else if (deletionTimestamp === undefined || probe.kind === 'readiness') workers.set(key, this.#createWorker(probe, pod));
    }
    if (workers.size > 0) this.#workers.set(uid, workers);
    this.#observe(uid);
  }

  stopLivenessAndStartup(podUid: string): void {
    const workers = this.#workers.get(podUid) ?? new Map<string, ProbeWorker>();
    for (const [key, worker] of workers) {
      if (key.endsWith('/readiness')) continue;
      worker.stop();
      workers.delete(key);
    }
  }

  removePod(podUid: string): void {
    for (const worker of this.#of(podUid)) worker.stop();
    this.#workers.delete(podUid);
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const podUid of [...this.#workers.keys()]) this.removePod(podUid);
    await Promise.allSettled(this.#running);
  }

  #of(podUid: string): readonly ProbeWorker[] {
    return [...(this.#workers.get(podUid)?.values() ?? [])];
  }

  #observe(podUid: string): void {
    const workers = this.#of(podUid);
    if (workers.length === 0) return;
    const observed = this.#deps.cache.get(podUid);
    for (const worker of workers) worker.observe(observed);
  }

  #createWorker(probe: ContainerProbe, pod: Pod): ProbeWorker {
    const { clock, random } = this.#deps;
    const { uid } = pod.metadata;
    const hasStartupProbe = probe.container.startupProbe !== undefined;
    return new ProbeWorker(probe, pod, {
      clock,
      results: this.results,
      random: random ?? Math.random,
      startedAt: this.#startedAt,
      hasStarted: (containerId) =>
        !hasStartupProbe ||
        this.results.get('startup', containerId) === 'success' ||
        // Of a pod that terminates only readiness is left, whatever startup would have said.
        this.#workers.get(uid)?.has(keyOf(probe.container.name, 'startup')) !== true,
      run: (target, timeoutMs, signal) => this.#run(probe, target, timeoutMs, signal),
    });
  }

  /** One try with its events; the agent's own failures are tried again at once before they are reported. */
  async #run(probe: ContainerProbe, target: ProbeTarget, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome['outcome']> {
    const places = probe.probe.exec === undefined ? this.#network : this.#exec;
    const run = places.run(signal, async () => {
      let result = await this.#runProbe(probe, target, timeoutMs, signal);
      for (let tries = 1; result.outcome === 'error' && tries < MAX_TRIES && !signal.aborted; tries += 1) {
        result = await this.#runProbe(probe, target, timeoutMs, signal);
      }
      return result;
    });
    this.#running.add(run);
    try {
      const result = await run;
      if (!signal.aborted) this.#report(probe, target.pod, result);
      return result.outcome;
    } catch (error) {
      if (!signal.aborted) this.#deps.log.error('probe failed to run', { pod: target.pod.metadata.uid, error: errorMessage(error) });
      return 'error';
    } finally {
      this.#running.delete(run);
    }
  }

  #report({ container, kind }: ContainerProbe, pod: Pod, { outcome, output }: ProbeOutcome): void {
    if (outcome === 'success') return;
    const name = EVENT_NAMES[kind];
    const about = containerReference(pod, container.name);
    if (outcome === 'warning') this.#deps.events.event(about, 'Warning', 'ProbeWarning', `${name} probe warning: ${output}`);
    else if (outcome === 'failure') this.#deps.events.event(about, 'Warning', 'Unhealthy', `${name} probe failed: ${output}`);
    else this.#deps.events.event(about, 'Warning', 'Unhealthy', `${name} probe errored and resulted in unknown state: ${output}`);
  }
}

function keyOf(containerName: string, kind: ProbeKind): string {
  return `${containerName}/${kind}`;
}
