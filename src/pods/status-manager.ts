import { isDeepStrictEqual } from 'node:util';
import { isBeingDeleted } from '../api/meta.ts';
import type { Pod, PodStatus } from '../api/types.ts';
import { errorMessage, isConflict, isNotFound } from '../lib/errors.ts';
import { KeyedQueue } from '../lib/keyed-queue.ts';
import type { StatusManagerOptions } from './options.ts';
import { isStaticPod } from './pod-kinds.ts';
import type { PodChange } from './pod-manager.ts';
import type { PodKey, PodStatusSink } from './ports.ts';
import { sameOwnStatus, statusPatch } from './status/status-patch.ts';

/** Requests at once: enough to fill one connection; what the API server is really asked for a second, the client's rate limit bounds. */
const MAX_REQUESTS = 32;
/** The API server may be away for minutes: soon enough after a blip, seldom enough when it lasts. */
const RETRY = { initialMs: 200, maxMs: 10_000, factor: 2, jitter: 0.5 };

interface Entry {
  pod: Pod;
  status: PodStatus;
  finished: boolean;
  /** What the API is known to hold, of which pod object, and how new that knowledge is. */
  base: { readonly uid: string; readonly status: PodStatus | undefined; readonly resourceVersion: string | undefined } | undefined;
  /** The API object is another's or gone: nothing is sent any more. */
  gone: boolean;
}

/**
 * The only writer of pod status (kubelet pkg/kubelet/status/status_manager.go).
 *
 * INVARIANTS
 * - One request at a time for a pod, and the last status that was set is the last that is sent; those between may be skipped.
 * - Nothing is sent that the API is known to hold.
 * - A status that cannot be sent is sent later, for as long as it takes; other pods do not wait for it.
 * - What somebody else writes over the node's own fields is written again.
 * - A pod's API object is deleted only when the pod is finished, its last status is stored and somebody asked for its deletion;
 *   by its UID, so that a successor of the same name is never touched.
 * - A static pod's status goes to its mirror pod, as soon as there is one; a mirror pod is never deleted from here.
 */
export class StatusManager implements PodStatusSink {
  readonly #options: StatusManagerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: KeyedQueue;
  readonly #unsubscribe: () => void;

  constructor(options: StatusManagerOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue({
      clock: options.clock,
      concurrency: MAX_REQUESTS,
      backoff: RETRY,
      work: (uid, signal) => this.#send(uid, signal),
      onError: (uid, error, failures) => this.#logFailure(uid, error, failures),
    });
    this.#unsubscribe = options.pods.onChange((changes) => changes.forEach((change) => this.#onChange(change)));
  }

  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  set(pod: Pod, status: PodStatus, { finished }: { readonly finished: boolean }): void {
    const { uid } = pod.metadata;
    const entry = this.#entries.get(uid);
    if (entry === undefined) {
      this.#entries.set(uid, { pod, status, finished, base: this.#knownBase(pod), gone: false });
    } else {
      const sameDeletion = isBeingDeleted(entry.pod) === isBeingDeleted(pod);
      const same = sameDeletion && entry.finished === finished && isDeepStrictEqual(entry.status, status);
      entry.pod = pod;
      entry.status = status;
      entry.finished = finished;
      if (same) return;
    }
    this.#queue.add(uid);
  }

  /** What has not been sent is lost; the next process reports anew. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#queue.stop();
  }

  async #send(uid: string, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(uid);
    if (entry === undefined || entry.gone) return;
    const target = this.#targetOf(entry.pod);
    if (target === undefined) return;
    const { status, finished, pod } = entry;
    try {
      await this.#patch(entry, target, status, signal);
      // Mirror pods go with their manifest, not with their containers.
      if (finished && isBeingDeleted(pod) && !isStaticPod(pod)) await this.#options.writer.deletePod(target, 0, signal);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
      entry.gone = !isStaticPod(pod);
      entry.base = undefined;
      this.#options.log.debug('The pod is gone from the API server, its status is not sent', { pod: podName(pod), uid });
    }
  }

  async #patch(entry: Entry, target: PodKey, status: PodStatus, signal: AbortSignal): Promise<void> {
    if (entry.base?.uid !== target.uid) entry.base = this.#knownBase(entry.pod);
    const patch = statusPatch(entry.base?.status, status);
    if (patch === undefined) return;
    const stored = await this.#options.writer.patchPodStatus(target, { metadata: { uid: target.uid }, status: patch }, signal);
    if (isOlder(stored, entry.base?.resourceVersion)) return;
    entry.base = baseOf(stored);
  }

  #onChange(change: PodChange): void {
    if (change.kind === 'removed') {
      this.#forget(change.pod.metadata.uid);
      return;
    }
    if (change.kind === 'mirror') {
      const pod = this.#options.pods.byName(change.namespace, change.name);
      if (pod !== undefined && change.mirror !== undefined) this.#onApiObject(pod.metadata.uid, change.mirror);
      return;
    }
    if (change.source === 'api') this.#onApiObject(change.pod.metadata.uid, change.pod);
  }

  /** Somebody has changed the API object, we or others. */
  #onApiObject(uid: string, object: Pod): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    if (entry.base?.uid === object.metadata.uid && isOlder(object, entry.base.resourceVersion)) return;
    const known = entry.base?.uid === object.metadata.uid && sameOwnStatus(entry.base.status, object.status);
    entry.base = baseOf(object);
    if (!known) this.#queue.add(uid);
  }

  #forget(uid: string): void {
    this.#entries.delete(uid);
    this.#queue.forget(uid);
  }

  #targetOf(pod: Pod): PodKey | undefined {
    const object = isStaticPod(pod) ? this.#options.pods.mirrorOf(pod) : pod;
    if (object === undefined) return undefined;
    const { namespace, name, uid } = object.metadata;
    return { namespace, name, uid };
  }

  #knownBase(pod: Pod): Entry['base'] {
    const object = isStaticPod(pod) ? this.#options.pods.mirrorOf(pod) : (this.#options.pods.get(pod.metadata.uid) ?? pod);
    return object === undefined ? undefined : baseOf(object);
  }

  #logFailure(uid: string, error: unknown, failures: number): void {
    const pod = this.#entries.get(uid)?.pod;
    const fields = { pod: pod === undefined ? undefined : podName(pod), uid, error: errorMessage(error) };
    // Once when it begins; that it goes on says nothing new.
    if (failures === 1) this.#options.log.warn('Could not send the status of a pod, trying again', fields);
    else this.#options.log.debug('Still cannot send the status of a pod', { ...fields, failures });
  }
}

function baseOf(object: Pod): NonNullable<Entry['base']> {
  return { uid: object.metadata.uid, status: object.status, resourceVersion: object.metadata.resourceVersion };
}

/** Resource versions of one resource type can be compared since Kubernetes 1.35; what cannot be read counts as new. */
function isOlder(object: Pod, than: string | undefined): boolean {
  const { resourceVersion } = object.metadata;
  if (resourceVersion === undefined || than === undefined) return false;
  return /^\d+$/.test(resourceVersion) && /^\d+$/.test(than) && BigInt(resourceVersion) < BigInt(than);
}

function podName(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
