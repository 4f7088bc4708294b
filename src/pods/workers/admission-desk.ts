/** Decides once for each pod whether the node takes it. */
import type { Pod } from '../../api/types.ts';
import { podReference } from '../../api/object-reference.ts';
import { admit } from '../admission/admit.ts';
import type { Rejection } from '../admission/types.ts';
import type { PodWorkersOptions } from '../options.ts';
import { mayRun } from '../pod-view.ts';
import { isTerminalPhase } from '../status/phase.ts';
import type { WorkerState } from './worker-state.ts';

/** See {@link AdmissionDesk.open}. */
export class AdmissionDesk {
  readonly #options: PodWorkersOptions;

  constructor(options: PodWorkersOptions) {
    this.#options = options;
  }

  /**
   * Decides over pods that came together (kubelet kubelet.go HandlePodAdditions): first those that run already, which stay, then by
   * age. Each is measured against those decided before it. `all`: every pod that has a worker.
   */
  open(added: readonly WorkerState[], all: readonly WorkerState[]): void {
    const order = [...added].sort((a, b) => Number(this.#runs(b)) - Number(this.#runs(a)) || age(a.pod) - age(b.pod));
    for (const state of order) state.admission = this.#decide(state, all);
  }

  #decide(state: WorkerState, all: readonly WorkerState[]): 'admitted' | Rejection {
    const { pod } = state;
    if (this.#runs(state) || isEnding(pod)) return 'admitted';
    const others = all.filter((other) => other !== state && holdsResources(other)).map((other) => other.pod);
    const rejection = this.#admit(pod, others);
    if (rejection === undefined) return 'admitted';
    const { events, log, cache } = this.#options;
    log.warn('The node does not take a pod', { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, ...rejection });
    events.event(podReference(pod), 'Warning', rejection.reason, rejection.message);
    if (cache.get(pod.metadata.uid) === undefined) state.memory.cleanedUp = true;
    return rejection;
  }

  #admit(pod: Pod, others: readonly Pod[]): Rejection | undefined {
    const { node } = this.#options;
    try {
      return admit({
        pod,
        others,
        node: {
          name: node.nodeName,
          labels: node.labels(),
          taints: node.taints(),
          allocatable: node.allocatable(),
          supportsSupplementalGroupsPolicy: node.supportsSupplementalGroupsPolicy(),
          allowedUnsafeSysctls: node.allowedUnsafeSysctls(),
        },
      });
    } catch (error) {
      // Of a manifest's making: the API server lets no such quantity pass.
      return { reason: 'UnexpectedAdmissionError', message: error instanceof Error ? error.message : String(error) };
    }
  }

  #runs({ pod }: WorkerState): boolean {
    return this.#options.cache.get(pod.metadata.uid)?.containers.some(mayRun) ?? false;
  }
}

function holdsResources({ admission, lifecycle, orphan, pod }: WorkerState): boolean {
  return admission === 'admitted' && lifecycle !== 'terminated' && !orphan && !isTerminalPhase(pod.status?.phase);
}

function isEnding(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined || isTerminalPhase(pod.status?.phase);
}

function age(pod: Pod): number {
  return pod.metadata.creationTimestamp === undefined ? 0 : Date.parse(pod.metadata.creationTimestamp);
}
