import { objectKey } from '../../api/meta.ts';
import type { Pod } from '../../api/types.ts';
import { errorMessage, isAlreadyExists, isConflict, isNotFound, UnavailableError } from '../../lib/errors.ts';
import { KeyedQueue } from '../../lib/keyed-queue.ts';
import type { MirrorPodsOptions } from '../options.ts';
import { CONFIG_HASH_ANNOTATION, CONFIG_MIRROR_ANNOTATION, isStaticPod } from '../pod-kinds.ts';

/** Requests at once: a node has a handful of static pods. */
const MAX_REQUESTS = 4;
const RETRY = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.5 };

/**
 * Shows static pods in the API (kubelet pkg/kubelet/pod/mirror_client.go, kubelet.go tryReconcileMirrorPods).
 *
 * INVARIANTS
 * - Every static pod gets one mirror pod; one that shows another manifest, or that somebody deletes, is replaced.
 * - A mirror pod without a static pod is deleted, but only when every source has been heard and the pod has gone from the node.
 * - Nothing is written before the API's list of this node's pods is known.
 */
export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  readonly #queue: KeyedQueue;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue({
      clock: options.clock,
      concurrency: MAX_REQUESTS,
      backoff: RETRY,
      work: (key, signal) => this.#reconcile(key, signal),
      onError: (pod, error, failures) => {
        const fields = { pod, error: errorMessage(error) };
        if (failures === 1) options.log.warn('Could not bring the mirror of a static pod up to date, trying again', fields);
        else options.log.debug('Still cannot bring the mirror of a static pod up to date', { ...fields, failures });
      },
    });
    this.#unsubscribe = [
      options.pods.onChange(() => this.#addAll()),
      options.workers.onLifecycle((pod, lifecycle) => {
        if (lifecycle === 'gone') this.#queue.add(keyOf(pod));
      }),
    ];
    this.#addAll();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  /** Those whose mirror is not what it should be. */
  #addAll(): void {
    const { pods } = this.#options;
    if (!pods.hasSeen('api')) return;
    const statics = pods.list().filter(isStaticPod);
    for (const pod of statics) if (!isMirrorOf(pods.mirrorOf(pod), pod)) this.#queue.add(keyOf(pod));
    const names = new Set(statics.map(keyOf));
    for (const mirror of pods.mirrors()) if (!names.has(keyOf(mirror))) this.#queue.add(keyOf(mirror));
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { pods } = this.#options;
    const pod = pods.list().find((candidate) => isStaticPod(candidate) && keyOf(candidate) === key);
    const mirror = pods.mirrors().find((candidate) => keyOf(candidate) === key);
    if (mirror !== undefined && pod === undefined) await this.#deleteOrphan(mirror, signal);
    else if (mirror !== undefined && !isMirrorOf(mirror, pod)) await this.#delete(mirror, signal);
    else if (mirror === undefined && pod !== undefined) await this.#create(pod, signal);
  }

  async #deleteOrphan(mirror: Pod, signal: AbortSignal): Promise<void> {
    const { pods, workers } = this.#options;
    const { namespace, name } = mirror.metadata;
    if (pods.allSourcesSeen && !workers.usesName(namespace, name)) await this.#delete(mirror, signal);
  }

  async #delete({ metadata: { namespace, name, uid } }: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.writer.deletePod({ namespace, name, uid }, 0, signal);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  async #create(pod: Pod, signal: AbortSignal): Promise<void> {
    const { writer, nodeName, nodeUid } = this.#options;
    const uid = nodeUid();
    if (uid === undefined) throw new UnavailableError('the node is not registered yet');
    const { name, namespace, labels = {}, annotations = {} } = pod.metadata;
    const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid, controller: true };
    const mirrored = { ...annotations, [CONFIG_MIRROR_ANNOTATION]: annotations[CONFIG_HASH_ANNOTATION] ?? '' };
    try {
      await writer.createPod(
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace, labels, annotations: mirrored, ownerReferences: [owner] },
          spec: pod.spec,
        },
        signal,
      );
    } catch (error) {
      // The watch will bring it.
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

function isMirrorOf(mirror: Pod | undefined, pod: Pod | undefined): boolean {
  if (mirror === undefined || pod === undefined || mirror.metadata.deletionTimestamp !== undefined) return false;
  return mirror.metadata.annotations?.[CONFIG_MIRROR_ANNOTATION] === pod.metadata.annotations?.[CONFIG_HASH_ANNOTATION];
}

function keyOf({ metadata }: Pod): string {
  return objectKey(metadata.namespace, metadata.name);
}
