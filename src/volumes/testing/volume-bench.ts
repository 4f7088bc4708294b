import type { ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, PodSpec, Secret, VolumeSpec } from '../../api/types.ts';
import type { ObjectSource, ServiceAccountToken, TokenRequestFor } from '../../cluster/types.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { HostFiles } from '../host-files.ts';
import { localFiles } from '../local-files.ts';
import type { VolumeManagerDeps } from '../types.ts';
import { FakeMounter } from './fake-mounter.ts';
import { temporaryDirectory, type AtEnd } from './temporary-directory.ts';

/** Objects of one kind, with the changes that a watch would tell. */
export class FakeObjects<T> implements ObjectSource<T> {
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(namespace: string, name: string) => void>();
  reads = 0;
  /** What reading fails with. */
  failure: Error | undefined;

  async get(namespace: string, name: string): Promise<T | undefined> {
    this.reads += 1;
    if (this.failure) throw this.failure;
    return this.#objects.get(`${namespace}/${name}`);
  }

  onChange(listener: (namespace: string, name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  set(namespace: string, name: string, object: T | undefined): void {
    if (object === undefined) this.#objects.delete(`${namespace}/${name}`);
    else this.#objects.set(`${namespace}/${name}`, object);
    for (const listener of this.#listeners) listener(namespace, name);
  }
}

export interface RecordedEvent {
  readonly pod: string;
  readonly reason: string;
  readonly message: string;
}

/** Everything that the volume manager needs, on a temporary directory, without mounts. */
export function volumeBench(atEnd: AtEnd, overrides: { readonly files?: HostFiles } = {}) {
  const clock = new FakeClock();
  const mounter = new FakeMounter();
  const podsDirectory = `${temporaryDirectory(atEnd)}/pods`;
  const configMaps = new FakeObjects<ConfigMap>();
  const secrets = new FakeObjects<Secret>();
  const claims = new Map<string, PersistentVolumeClaim>();
  const persistentVolumes = new Map<string, PersistentVolume>();
  const events: RecordedEvent[] = [];
  const notes: string[] = [];
  const tokenRequests: TokenRequestFor[] = [];
  const forgottenTokens: string[] = [];
  const images: { failure: Error | undefined } = { failure: undefined };
  const node = { labels: {} as Record<string, string>, podMemoryLimit: undefined as number | undefined };
  const deps: VolumeManagerDeps = {
    settings: { podsDirectory },
    clock,
    log: { ...silentLogger, warn: (message) => void notes.push(message) },
    events: {
      event: (about, _type, reason, message) => void events.push({ pod: about.name, reason, message }),
    },
    files: overrides.files ?? localFiles,
    mounter,
    objects: {
      configMaps,
      secrets,
      persistentVolumeClaim: async (namespace, name) => claims.get(`${namespace}/${name}`),
      persistentVolume: async (name) => persistentVolumes.get(name),
    },
    tokens: {
      async token(request): Promise<ServiceAccountToken> {
        tokenRequests.push(request);
        const issuedAt = clock.now();
        return {
          token: `token-${tokenRequests.length}`,
          expiresAt: issuedAt + request.expirationSeconds * 1000,
          refreshAt: issuedAt + request.expirationSeconds * 800,
        };
      },
      forgetPod: (uid) => void forgottenTokens.push(uid),
    },
    images: {
      async ensureImage({ reference }) {
        if (images.failure) throw images.failure;
        return { imageId: `sha256:${reference}` };
      },
    },
    node: {
      nodeName: 'n1',
      hostIPs: () => ['192.0.2.1'],
      labels: () => node.labels,
      allocatable: () => ({ cpu: '2', memory: '1Gi' }),
      podMemoryLimit: () => node.podMemoryLimit,
    },
  };
  return {
    clock,
    mounter,
    podsDirectory,
    configMaps,
    secrets,
    claims,
    persistentVolumes,
    events,
    notes,
    tokenRequests,
    forgottenTokens,
    images,
    node,
    deps,
  };
}

export type VolumeBench = ReturnType<typeof volumeBench>;

/** A pod whose one container mounts every volume at `/<name>`. */
export function podWith(volumes: readonly VolumeSpec[], { uid = 'u1', ...spec }: Partial<PodSpec> & { readonly uid?: string } = {}): Pod {
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  return {
    metadata: { name: `pod-${uid}`, namespace: 'ns', uid, labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', volumeMounts }], volumes: [...volumes], ...spec },
  };
}

export function configMap(name: string, data: Readonly<Record<string, string>>): ConfigMap {
  return { metadata: { name, namespace: 'ns' }, data: { ...data } };
}

export function secret(name: string, data: Readonly<Record<string, string>>): Secret {
  const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')] as const);
  return { metadata: { name, namespace: 'ns' }, data: Object.fromEntries(encoded) };
}
