/** From a worker's knowledge to the pod's status, at the right moments. */
import type { PodStatus } from '../../api/types.ts';
import type { Timer } from '../../lib/clock.ts';
import type { PodWorkersOptions } from '../options.ts';
import { isStaticPod } from '../pod-kinds.ts';
import { mayRun } from '../pod-view.ts';
import type { Plan } from '../plan/types.ts';
import { finalStatus, podStatus, rejectedStatus } from '../status/pod-status.ts';
import { isTerminalPhase } from '../status/phase.ts';
import type { WaitingReason } from '../status/types.ts';
import type { WorkerState } from './worker-state.ts';

/** A state that is over sooner is not worth a request: most starts and ends of pods are. Milliseconds. */
const PASSING_MS = 250;

/** Reports pods' statuses to the status manager. */
export class StatusReporter {
  readonly #options: PodWorkersOptions;
  readonly #timers = new Map<string, Timer>();

  constructor(options: PodWorkersOptions) {
    this.#options = options;
  }

  /** What was reported last, by this process or before it. */
  previous({ pod }: WorkerState): PodStatus | undefined {
    const { status, pods } = this.#options;
    return status.get(pod.metadata.uid) ?? (isStaticPod(pod) ? pods.mirrorOf(pod)?.status : pod.status);
  }

  /** Before a plan is carried out, or when there is none. */
  report(state: WorkerState, plan: Plan): void {
    const passing = state.lifecycle === 'terminating' || this.#options.status.get(state.pod.metadata.uid) === undefined;
    if (passing && plan.actions.length > 0) this.reportSoon(state);
    else this.#report(state);
  }

  /** Unless it is reported before anyway. */
  reportSoon(state: WorkerState): void {
    const { uid } = state.pod.metadata;
    if (this.#timers.has(uid)) return;
    const timer = this.#options.clock.after(PASSING_MS, () => this.#report(state));
    this.#timers.set(uid, timer);
  }

  /** Reads what newly ended containers have left. */
  async readMessages({ pod, messages }: WorkerState, signal: AbortSignal): Promise<void> {
    const { cache, terminationMessages } = this.#options;
    const exited = cache.get(pod.metadata.uid)?.containers.filter(({ state }) => state === 'exited') ?? [];
    for (const id of messages.keys()) if (!exited.some((container) => container.id === id)) messages.delete(id);
    const unread = exited.filter(({ id }) => !messages.has(id));
    await Promise.all(unread.map(async (container) => messages.set(container.id, await terminationMessages.read(container, signal))));
  }

  forget(uid: string): void {
    this.#timers.get(uid)?.cancel();
    this.#timers.delete(uid);
  }

  stop(): void {
    for (const uid of [...this.#timers.keys()]) this.forget(uid);
  }

  #report(state: WorkerState): void {
    const { status, cache } = this.#options;
    const { pod, lifecycle, memory, desired, orphan } = state;
    this.forget(pod.metadata.uid);
    // There is no API object to write to.
    if (!desired || orphan) return;
    const runs = cache.get(pod.metadata.uid)?.containers.some(mayRun) ?? false;
    const finished = lifecycle === 'terminated' && memory.cleanedUp && !runs;
    const current = this.#statusOf(state);
    status.set(pod, finished ? finalStatus(pod, current, isStaticPod(pod)) : current, { finished });
  }

  #statusOf(state: WorkerState): PodStatus {
    const { cache, probes, node, runtimeName, clock } = this.#options;
    const { pod, admission, lifecycle, messages, override } = state;
    const previous = this.previous(state);
    if (typeof admission === 'object') {
      const said = isTerminalPhase(previous?.phase) ? previous : undefined;
      return said ?? rejectedStatus(pod, admission.reason, admission.message, clock.now());
    }
    const observed = cache.get(pod.metadata.uid);
    // It had ended before, and nothing is left that could tell more about it.
    if (observed === undefined && previous !== undefined && isTerminalPhase(previous.phase)) return previous;
    return podStatus({
      pod,
      observed,
      previous,
      terminal: lifecycle === 'terminated',
      isStatic: isStaticPod(pod),
      waiting: waitingReasons(state),
      probes,
      terminationMessages: messages,
      hostIPs: node.hostIPs(),
      supportsRecursiveReadOnly: node.supportsRecursiveReadOnlyMounts(pod.spec.runtimeClassName),
      runtimeName,
      ...(override === undefined ? {} : { override }),
      now: clock.now(),
    });
  }
}

/** A failed start stays the reason until the container has started; a crash loop until its wait is over. */
function waitingReasons({ memory, waiting }: WorkerState): ReadonlyMap<string, WaitingReason> {
  const reasons = new Map<string, WaitingReason>();
  for (const [name, { reason, message }] of memory.startFailures) reasons.set(name, { reason, message });
  for (const { container, reason, message } of waiting) {
    if (container !== undefined && reason === 'CrashLoopBackOff') reasons.set(container, { reason, message });
  }
  return reasons;
}
