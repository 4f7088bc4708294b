/** What should be on this node: every pod of every source, and which API object stands for which static pod. */
import { objectKey } from '../api/meta.ts';
import type { Pod } from '../api/types.ts';
import { isMirrorPod } from './pod-kinds.ts';
import type { PodLookup } from './types.ts';

export type PodSource = 'api' | 'file' | 'http';

export type PodChange =
  | { readonly kind: 'added' | 'updated'; readonly pod: Pod; readonly source: PodSource }
  /** `pod` is its last known state. */
  | { readonly kind: 'removed'; readonly pod: Pod; readonly source: PodSource }
  /** The API object of a static pod has come, changed or gone (`mirror` absent). */
  | { readonly kind: 'mirror'; readonly namespace: string; readonly name: string; readonly mirror: Pod | undefined };

type ChangeListener = (changes: readonly PodChange[]) => void;

/**
 * Merges the sources (kubelet pkg/kubelet/pod/pod_manager.go).
 *
 * INVARIANTS
 * - Listeners are told after the manager has changed, once for each call that changed something, in the order of the calls.
 * - A mirror pod is never listed as a pod: its static pod is.
 * - `allSourcesSeen` becomes true when every declared source has delivered its first complete list, and stays true.
 */
export class PodManager implements PodLookup {
  readonly #pods = new Map<PodSource, Map<string, Pod>>();
  readonly #mirrors = new Map<string, Pod>();
  readonly #unseen: Set<PodSource>;
  readonly #listeners = new Set<ChangeListener>();

  /** `sources`: those that will deliver; removal of what nobody desires waits for the first list of each. */
  constructor(sources: readonly PodSource[]) {
    this.#unseen = new Set(sources);
    for (const source of sources) this.#pods.set(source, new Map());
  }

  get allSourcesSeen(): boolean {
    return this.#unseen.size === 0;
  }

  /** Whether the source has delivered its first complete list. */
  hasSeen(source: PodSource): boolean {
    return !this.#unseen.has(source);
  }

  get(uid: string): Pod | undefined {
    for (const pods of this.#pods.values()) {
      const pod = pods.get(uid);
      if (pod !== undefined) return pod;
    }
    return undefined;
  }

  byName(namespace: string, name: string): Pod | undefined {
    return this.list().find((pod) => pod.metadata.name === name && pod.metadata.namespace === namespace);
  }

  list(): readonly Pod[] {
    return [...this.#pods.values()].flatMap((pods) => [...pods.values()]);
  }

  /** The API object that stands for this static pod. */
  mirrorOf(pod: Pod): Pod | undefined {
    return this.#mirrors.get(fullName(pod));
  }

  mirrors(): readonly Pod[] {
    return [...this.#mirrors.values()];
  }

  /** The pod that runs under this UID, which may be its mirror's (requests from the API server name that one). */
  resolveUid(uid: string): string {
    for (const mirror of this.#mirrors.values()) {
      if (mirror.metadata.uid !== uid) continue;
      const { namespace, name } = mirror.metadata;
      return this.list().find((pod) => pod.metadata.name === name && pod.metadata.namespace === namespace)?.metadata.uid ?? uid;
    }
    return uid;
  }

  /** The source's complete list: what it does not name any more is removed. */
  replace(source: PodSource, pods: readonly Pod[]): void {
    this.#unseen.delete(source);
    const changes: PodChange[] = [];
    const uids = new Set(pods.map((pod) => pod.metadata.uid));
    for (const known of [...this.#of(source).values()]) {
      if (!uids.has(known.metadata.uid)) changes.push(...this.#removeOne(source, known));
    }
    if (source === 'api') {
      for (const mirror of this.mirrors()) if (!uids.has(mirror.metadata.uid)) changes.push(...this.#removeOne(source, mirror));
    }
    for (const pod of pods) changes.push(...this.#upsertOne(source, pod));
    this.#tell(changes, true);
  }

  upsert(source: PodSource, pod: Pod): void {
    this.#tell(this.#upsertOne(source, pod));
  }

  remove(source: PodSource, pod: Pod): void {
    this.#tell(this.#removeOne(source, pod));
  }

  /** Answers the function that ends the subscription. A complete list that changes nothing is told too, as an empty list. */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #of(source: PodSource): Map<string, Pod> {
    const pods = this.#pods.get(source);
    if (pods === undefined) throw new Error(`pod source "${source}" was not declared`);
    return pods;
  }

  #upsertOne(source: PodSource, pod: Pod): PodChange[] {
    if (source === 'api' && isMirrorPod(pod)) {
      const { namespace, name } = pod.metadata;
      this.#mirrors.set(fullName(pod), pod);
      return [{ kind: 'mirror', namespace, name, mirror: pod }];
    }
    const pods = this.#of(source);
    const known = pods.has(pod.metadata.uid);
    pods.set(pod.metadata.uid, pod);
    return [{ kind: known ? 'updated' : 'added', pod, source }];
  }

  #removeOne(source: PodSource, pod: Pod): PodChange[] {
    if (source === 'api' && isMirrorPod(pod)) {
      if (this.#mirrors.get(fullName(pod))?.metadata.uid !== pod.metadata.uid) return [];
      this.#mirrors.delete(fullName(pod));
      return [{ kind: 'mirror', namespace: pod.metadata.namespace, name: pod.metadata.name, mirror: undefined }];
    }
    return this.#of(source).delete(pod.metadata.uid) ? [{ kind: 'removed', pod, source }] : [];
  }

  #tell(changes: readonly PodChange[], always = false): void {
    if (changes.length === 0 && !always) return;
    for (const listener of [...this.#listeners]) listener(changes);
  }
}

function fullName(pod: Pod): string {
  return objectKey(pod.metadata.namespace, pod.metadata.name);
}
