import type { Pod } from '../api/types.ts';
import { abortable } from '../lib/abort.ts';
import { isRestartableInitContainer } from './descriptions.ts';

/**
 * Who is sent the stop signal after whom (kubelet pkg/kubelet/kuberuntime/kuberuntime_termination_order.go): a sidecar after
 * every app container and after the sidecars that are declared behind it. Pre-stop hooks do not wait for a turn.
 *
 * INVARIANTS
 * 1. A container that this plan does not stop holds nobody up.
 * 2. A turn ends also when the stop has failed.
 */
export class TerminationOrder {
  readonly #ended = new Map<string, PromiseWithResolvers<void>>();
  readonly #before = new Map<string, readonly string[]>();

  constructor(pod: Pod, stopped: readonly string[]) {
    for (const name of stopped) this.#ended.set(name, Promise.withResolvers());
    const before = pod.spec.containers.map(({ name }) => name);
    for (const container of [...(pod.spec.initContainers ?? [])].reverse()) {
      if (!isRestartableInitContainer(container)) continue;
      this.#before.set(container.name, [...before]);
      before.push(container.name);
    }
  }

  /** Resolves when everything that goes first has ended. */
  async turn(name: string, signal: AbortSignal): Promise<void> {
    const others = (this.#before.get(name) ?? []).flatMap((other) => this.#ended.get(other)?.promise ?? []);
    await abortable(Promise.all(others), signal);
  }

  ended(name: string): void {
    this.#ended.get(name)?.resolve();
  }
}
