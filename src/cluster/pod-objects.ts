/** Which secrets and config maps a pod uses, and their watches while it does (kubelet pkg/api/v1/pod/util.go). */
import type { AnyContainerSpec, Pod } from '../api/types.ts';
import type { CacheableObject, ObjectCache } from './object-cache.ts';

export interface PodObjectNames {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
}

/** Names of the secrets and config maps that the pod's volumes, environment and image pulls refer to; all are in its namespace. */
export function podObjectNames(pod: Pod): PodObjectNames {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  const { spec } = pod;
  for (const { name } of spec.imagePullSecrets ?? []) addTo(secrets, name);
  const containers: readonly AnyContainerSpec[] = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  for (const { env, envFrom } of containers) {
    for (const source of envFrom ?? []) {
      addTo(secrets, source.secretRef?.name);
      addTo(configMaps, source.configMapRef?.name);
    }
    for (const { valueFrom } of env ?? []) {
      addTo(secrets, valueFrom?.secretKeyRef?.name);
      addTo(configMaps, valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const { secret, configMap, projected, csi } of spec.volumes ?? []) {
    addTo(secrets, secret?.secretName);
    addTo(secrets, csi?.nodePublishSecretRef?.name);
    addTo(configMaps, configMap?.name);
    for (const source of projected?.sources ?? []) {
      addTo(secrets, source.secret?.name);
      addTo(configMaps, source.configMap?.name);
    }
  }
  return { secrets, configMaps };
}

interface Registration extends PodObjectNames {
  readonly namespace: string;
}

type Cache = Pick<ObjectCache<CacheableObject>, 'acquire' | 'release'>;

/** INVARIANT: each object of each registered pod is acquired exactly once for that pod. */
export class PodObjects {
  readonly #secrets: Cache;
  readonly #configMaps: Cache;
  readonly #registered = new Map<string, Registration>();

  constructor(secrets: Cache, configMaps: Cache) {
    this.#secrets = secrets;
    this.#configMaps = configMaps;
  }

  /** Begins to watch what the pod uses; again after its spec has changed. */
  register(pod: Pod): void {
    const { uid, namespace } = pod.metadata;
    const previous = this.#registered.get(uid);
    const next: Registration = { namespace, ...podObjectNames(pod) };
    this.#registered.set(uid, next);
    for (const name of next.secrets) this.#secrets.acquire(namespace, name);
    for (const name of next.configMaps) this.#configMaps.acquire(namespace, name);
    if (previous !== undefined) this.#releaseAll(previous);
  }

  /** Ends what `register` began; nothing for a pod that is not registered. */
  unregister(podUid: string): void {
    const registration = this.#registered.get(podUid);
    if (registration === undefined) return;
    this.#registered.delete(podUid);
    this.#releaseAll(registration);
  }

  #releaseAll({ namespace, secrets, configMaps }: Registration): void {
    for (const name of secrets) this.#secrets.release(namespace, name);
    for (const name of configMaps) this.#configMaps.release(namespace, name);
  }
}

function addTo(names: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') names.add(name);
}
