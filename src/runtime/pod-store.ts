import { isDeepStrictEqual } from 'node:util';
import { POD_UID_LABEL } from '../api/container-labels.ts';
import type { ObservedContainer, ObservedPod } from '../pods/types.ts';
import { observedPod, type ObservedSandbox } from './observed-pod.ts';
import type { Container, ContainerEvent, ContainerState, PodSandbox } from './types.ts';

/** A sandbox as it was seen. `asOf`: nothing older than this (ns since the epoch) may replace it. */
interface Entry extends ObservedSandbox {
  readonly asOf: bigint;
}

const STATE_ORDER: Readonly<Record<ContainerState, number>> = { unknown: 0, created: 1, running: 2, exited: 3 };

/**
 * What is known of the runtime's pods, put together from lists and events that reach us in any order.
 *
 * INVARIANTS
 * 1. Something that was seen later is never replaced by something that was seen earlier: an answer counts as seen when it was asked for,
 *    an event when it happened.
 * 2. No event brings back a sandbox that a list or an event said is gone, whenever it happened: ids are not used again.
 * 3. A container goes created → running → exited and never back.
 * 4. A change is reported exactly when sandboxes or containers of the pod differ from before.
 * 5. What is remembered of removed sandboxes is forgotten with the second full list after.
 */
export class PodStore {
  readonly #pods = new Map<string, ReadonlyMap<string, Entry>>();
  readonly #observed = new Map<string, ObservedPod>();
  /** Removed sandboxes, and when; in their pod's name where the whole pod was found empty. */
  readonly #removed = new Map<string, bigint>();
  readonly #owners = new Map<string, { readonly uid: string; readonly sandboxId: string }>();
  #listedAt = 0n;

  get(uid: string): ObservedPod | undefined {
    return this.#observed.get(uid);
  }

  uids(): string[] {
    return [...this.#observed.keys()];
  }

  /** An exited container as it was seen: it does not change any more. */
  exited(containerId: string): ObservedContainer | undefined {
    const owner = this.#owners.get(containerId);
    const entry = owner === undefined ? undefined : this.#pods.get(owner.uid)?.get(owner.sandboxId);
    return entry?.containers.find(({ id, state }) => id === containerId && state === 'exited');
  }

  /** Takes in one event. Answers the UID of the pod that it changed. */
  applyEvent(event: ContainerEvent, nowMs: number): string | undefined {
    const owner = this.#owners.get(event.containerId);
    const sandboxId = event.podSandboxStatus?.id ?? owner?.sandboxId;
    const uid = event.podSandboxStatus?.metadata.uid ?? owner?.uid;
    if (sandboxId === undefined || uid === undefined || uid === '') return undefined;
    const entries = this.#pods.get(uid) ?? new Map<string, Entry>();
    const known = entries.get(sandboxId);
    if (this.#removed.has(sandboxId) || event.createdAt < this.#horizon(uid, known)) return undefined;
    const isGone = event.podSandboxStatus === undefined || (event.type === 'deleted' && event.containerId === sandboxId);
    const next = new Map(entries);
    if (isGone) {
      next.delete(sandboxId);
      this.#removed.set(sandboxId, event.createdAt);
    } else {
      const containers = event.containersStatuses.map((status) => ({ ...status, podSandboxId: sandboxId }));
      next.set(sandboxId, {
        id: sandboxId,
        status: event.podSandboxStatus,
        containers: neverBack(known, containers),
        asOf: event.createdAt,
      });
    }
    return this.#store(uid, next, nowMs) ? uid : undefined;
  }

  /** Takes in everything the runtime answered about one pod when asked at `asOf`. Answers whether anything changed. */
  applyPod(uid: string, sandboxes: readonly ObservedSandbox[], asOf: bigint, nowMs: number): boolean {
    const entries = this.#pods.get(uid) ?? new Map<string, Entry>();
    const next = new Map([...entries].filter(([, entry]) => entry.asOf > asOf));
    for (const sandbox of sandboxes) {
      const removedAt = this.#removed.get(sandbox.id) ?? 0n;
      if (next.has(sandbox.id) || removedAt > asOf) continue;
      this.#removed.delete(sandbox.id);
      next.set(sandbox.id, { ...sandbox, containers: neverBack(entries.get(sandbox.id), sandbox.containers), asOf });
    }
    for (const id of entries.keys()) if (!next.has(id)) this.#removed.set(id, asOf);
    if (next.size === 0) this.#removed.set(uid, asOf);
    return this.#store(uid, next, nowMs);
  }

  /** A full list was asked for at `asOf` and has been taken in pod by pod: whatever it did not show did not exist then. */
  listed(asOf: bigint): void {
    for (const [id, removedAt] of this.#removed) if (removedAt <= this.#listedAt) this.#removed.delete(id);
    this.#listedAt = asOf;
  }

  /** Whether the states in a list are those that are known of the pod. */
  matches(uid: string, sandboxes: readonly PodSandbox[], containers: readonly Container[]): boolean {
    const known = [...(this.#pods.get(uid)?.values() ?? [])];
    const knownStates = known.flatMap(({ status, containers: of }) => [
      ...(status === undefined ? [] : [`${status.id} ${status.state}`]),
      ...of.map(({ id, state }) => `${id} ${state}`),
    ]);
    const listed = new Set([...sandboxes, ...containers].map(({ id, state }) => `${id} ${state}`));
    return knownStates.length === listed.size && knownStates.every((state) => listed.has(state));
  }

  /** What happened before this is in what is known already. */
  #horizon(uid: string, known: Entry | undefined): bigint {
    if (known !== undefined) return known.asOf;
    const emptyAt = this.#removed.get(uid) ?? 0n;
    return emptyAt > this.#listedAt ? emptyAt : this.#listedAt;
  }

  #store(uid: string, entries: ReadonlyMap<string, Entry>, nowMs: number): boolean {
    for (const entry of this.#pods.get(uid)?.values() ?? []) {
      for (const id of [entry.id, ...entry.containers.map((container) => container.id)]) this.#owners.delete(id);
    }
    for (const entry of entries.values()) {
      for (const id of [entry.id, ...entry.containers.map((container) => container.id)]) this.#owners.set(id, { uid, sandboxId: entry.id });
    }
    const before = this.#observed.get(uid);
    if (entries.size === 0) {
      this.#pods.delete(uid);
      return this.#observed.delete(uid);
    }
    this.#pods.set(uid, entries);
    const after = observedPod(uid, [...entries.values()], nowMs);
    this.#observed.set(uid, after);
    return !isDeepStrictEqual({ ...before, observedAt: 0 }, { ...after, observedAt: 0 });
  }
}

/** The pod of a sandbox or container; empty when it is nobody's. */
export function podUidOf(object: PodSandbox | Container): string {
  return object.labels[POD_UID_LABEL] ?? ('podSandboxId' in object ? '' : object.metadata.uid);
}

/** Keeps what is known of a container where the news is of an earlier state. */
function neverBack(known: ObservedSandbox | undefined, containers: readonly ObservedContainer[]): ObservedContainer[] {
  return containers.map((container) => {
    const before = known?.containers.find(({ id }) => id === container.id);
    return before !== undefined && STATE_ORDER[before.state] > STATE_ORDER[container.state] && container.state !== 'unknown'
      ? before
      : container;
  });
}
