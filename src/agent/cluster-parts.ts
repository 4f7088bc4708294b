/** Everything that talks to the API server, built from the configuration. */
import type { ConfigMap, KubeObject, NodeObject, Pod, Secret, Service } from '../api/types.ts';
import { fieldSelector } from '../api/selectors.ts';
import { ApiHealth } from '../cluster/api-health.ts';
import { loadClusterAccess } from '../cluster/credentials.ts';
import { ApiEventRecorder } from '../cluster/event-recorder.ts';
import { createTransport } from '../cluster/negotiated-transport.ts';
import { ObjectCache } from '../cluster/object-cache.ts';
import { PodObjects } from '../cluster/pod-objects.ts';
import { Reflector, type ReflectorContext } from '../cluster/reflector.ts';
import { CONFIG_MAPS, NODES, PODS, SECRETS, SERVICES } from '../cluster/resources.ts';
import { RestClient } from '../cluster/rest-client.ts';
import { TokenManager } from '../cluster/token-manager.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { programVersion } from '../lib/version.ts';
import { offlineTransport } from './offline.ts';

export interface ClusterParts {
  /** False: no API server is configured, and only static pods run. */
  readonly online: boolean;
  readonly client: RestClient;
  readonly health: ApiHealth;
  readonly recorder: ApiEventRecorder;
  readonly tokens: TokenManager;
  readonly secrets: ObjectCache<Secret & KubeObject>;
  readonly configMaps: ObjectCache<ConfigMap & KubeObject>;
  readonly podObjects: PodObjects;
  readonly pods: Reflector<Pod>;
  readonly node: Reflector<NodeObject>;
  readonly services: Reflector<Service & KubeObject>;
  /** Follows the API server until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends every connection. */
  close(): void;
}

export async function createClusterParts(config: Config, clock: Clock, log: Logger): Promise<ClusterParts> {
  const { kubelet, shorelet, derived } = config;
  const online = shorelet.kubeconfig !== '' || process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const health = new ApiHealth(clock, log);
  const access = online
    ? await loadClusterAccess({ kubeconfig: shorelet.kubeconfig === '' ? undefined : shorelet.kubeconfig, clock, env: process.env })
    : undefined;
  const transport = access === undefined ? offlineTransport : createTransport(access, clock);
  const client = new RestClient({
    transport,
    access: access ?? { headers: () => Promise.resolve({}), refresh: () => undefined },
    clock,
    log,
    health,
    rateLimit: { qps: kubelet.kubeAPIQPS, burst: kubelet.kubeAPIBurst },
    userAgent: `shorelet/${programVersion()}`,
  });
  const context: ReflectorContext & { readonly client: RestClient } = { client, clock, log, health, random: Math.random };
  const { nodeName } = derived;
  const secrets = new ObjectCache({ context, resource: SECRETS });
  const configMaps = new ObjectCache({ context, resource: CONFIG_MAPS });
  const pods = new Reflector(context, { resource: PODS, fieldSelector: fieldSelector({ 'spec.nodeName': nodeName }) });
  const node = new Reflector(context, { resource: NODES, fieldSelector: fieldSelector({ 'metadata.name': nodeName }) });
  const services = new Reflector(context, { resource: SERVICES });
  const recorder = new ApiEventRecorder({ client, clock, log, nodeName, random: Math.random });
  return {
    online,
    client,
    health,
    recorder,
    tokens: new TokenManager({ client, clock, log, random: Math.random }),
    secrets,
    configMaps,
    podObjects: new PodObjects(secrets, configMaps),
    pods,
    node,
    services,
    async run(signal) {
      if (!online) return;
      await Promise.all([pods.run(signal), node.run(signal), services.run(signal), recorder.run(signal)]);
    },
    close: () => transport.close(),
  };
}
