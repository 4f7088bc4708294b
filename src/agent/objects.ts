/** Objects that pods refer to, through watches where the node may watch and by asking where it may only ask. */
import type { Service } from '../api/types.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, RUNTIME_CLASSES } from '../cluster/resources.ts';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { isNotFound } from '../lib/errors.ts';
import type { ObjectPort, RuntimeClassPort } from '../runtime/ports.ts';
import type { VolumeObjects } from '../volumes/types.ts';
import type { ClusterParts } from './cluster-parts.ts';

/** Containers wait this long for the first list of services: kubelet.go blocks a pod until services have synced, too. */
const SERVICES_DEADLINE_MS = 10_000;
/** Namespace whose `kubernetes` service every container is told of (kubelet_pods.go masterServices). */
const MASTER_NAMESPACE = 'default';
const MASTER_SERVICE = 'kubernetes';

type ObjectSources = { readonly [K in 'configMaps' | 'secrets']: Pick<ClusterParts[K], 'get'> } & {
  readonly services: Pick<ClusterParts['services'], 'hasSynced' | 'synced' | 'list'>;
  readonly online: boolean;
};

/** Services of pods that must not wait for an API server are those that happen to be known. */
export function objectPort({ configMaps, secrets, services, online }: ObjectSources, clock: Clock): ObjectPort {
  return {
    configMap: (namespace, name, signal) => configMaps.get(namespace, name, signal),
    secret: (namespace, name, signal) => secrets.get(namespace, name, signal),
    async services(namespace, signal, wait = true): Promise<readonly Service[]> {
      if (!online) return [];
      if (wait && !services.hasSynced()) {
        await withDeadline(clock, 'first list of services', SERVICES_DEADLINE_MS, signal, (inner) => services.synced(inner));
      }
      return services.list().filter(({ metadata }) => {
        return metadata.namespace === namespace || (metadata.namespace === MASTER_NAMESPACE && metadata.name === MASTER_SERVICE);
      });
    },
  };
}

export function volumeObjects({ connection: { client }, configMaps, secrets }: ClusterParts): VolumeObjects {
  return {
    configMaps,
    secrets,
    persistentVolumeClaim: (namespace, name, signal) => ifThere(client.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, signal)),
    persistentVolume: (name, signal) => ifThere(client.get(PERSISTENT_VOLUMES, { name }, signal)),
  };
}

export function runtimeClassPort({ connection: { client } }: ClusterParts): RuntimeClassPort {
  return { handler: async (name, signal) => (await client.get(RUNTIME_CLASSES, { name }, signal)).handler };
}

async function ifThere<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
