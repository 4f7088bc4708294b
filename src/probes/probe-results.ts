import type { ProbeChange, ProbeKind, ProbeResults, ProbeVerdict } from './types.ts';

/** The verdicts on containers that have probes. Entries go with their worker. */
export class ProbeResultStore implements ProbeResults {
  readonly #verdicts = new Map<string, ProbeVerdict>();
  readonly #listeners = new Set<(podUid: string, change: ProbeChange) => void>();

  get(kind: ProbeKind, containerId: string): ProbeVerdict | undefined {
    return this.#verdicts.get(`${kind}/${containerId}`);
  }

  onChange(listener: (podUid: string, change: ProbeChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the listeners when it is news. */
  set(change: ProbeChange): void {
    const key = `${change.kind}/${change.containerId}`;
    if (this.#verdicts.get(key) === change.verdict) return;
    this.#verdicts.set(key, change.verdict);
    for (const listener of this.#listeners) listener(change.podUid, change);
  }

  /** Without telling anybody: the container is gone or its probe has ended. */
  remove(kind: ProbeKind, containerId: string): void {
    this.#verdicts.delete(`${kind}/${containerId}`);
  }
}
