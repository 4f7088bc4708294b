/** Everything that talks to the API server, built from the configuration. */
import type { ConfigMap, KubeObject, NodeObject, Pod, Secret, Service } from '../api/types.ts';
import { fieldSelector } from '../api/selectors.ts';
import { ApiHealth } from '../cluster/api-health.ts';
import { connectToCluster, type ClusterConnection } from '../cluster/connect.ts';
import type { ClusterAccess } from '../cluster/credentials.ts';
import { ApiEventRecorder } from '../cluster/event-recorder.ts';
import { ObjectCache } from '../cluster/object-cache.ts';
import { PodObjects } from '../cluster/pod-objects.ts';
import { Reflector } from '../cluster/reflector.ts';
import type { RateLimit } from '../cluster/rate-limiter.ts';
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
  readonly connection: ClusterConnection;
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
}

/** `access` is undefined where no API server is configured. */
export function createClusterParts(config: Config, access: ClusterAccess | undefined, clock: Clock, log: Logger): ClusterParts {
  const connection = access === undefined ? offlineConnection(clock, log) : connect(config, access, clock, log);
  const { client, reflectors: context } = connection;
  const { nodeName } = config.derived;
  const secrets = new ObjectCache({ context, resource: SECRETS });
  const configMaps = new ObjectCache({ context, resource: CONFIG_MAPS });
  const pods = new Reflector(context, { resource: PODS, fieldSelector: fieldSelector({ 'spec.nodeName': nodeName }) });
  const node = new Reflector(context, { resource: NODES, fieldSelector: fieldSelector({ 'metadata.name': nodeName }) });
  const services = new Reflector(context, { resource: SERVICES });
  const recorder = new ApiEventRecorder({ client: connection.eventClient, clock, log, nodeName, random: Math.random });
  return {
    online: access !== undefined,
    connection,
    recorder,
    tokens: new TokenManager({ client, clock, log, random: Math.random }),
    secrets,
    configMaps,
    podObjects: new PodObjects(secrets, configMaps),
    pods,
    node,
    services,
    async run(signal) {
      if (access === undefined) return;
      await Promise.all([pods.run(signal), node.run(signal), services.run(signal), recorder.run(signal)]);
    },
  };
}

/** A connection with the configured budgets of requests. */
export function connect({ kubelet }: Config, access: ClusterAccess, clock: Clock, log: Logger): ClusterConnection {
  return connectToCluster({
    access,
    clock,
    log,
    userAgent: userAgent(),
    apiRate: rate(kubelet.kubeAPIQPS, kubelet.kubeAPIBurst),
    eventRate: rate(kubelet.eventRecordQPS, kubelet.eventBurst),
    random: Math.random,
  });
}

/** 0 is without limit, as the kubelet has it. */
function rate(qps: number, burst: number): RateLimit | undefined {
  return qps === 0 ? undefined : { qps, burst };
}

function offlineConnection(clock: Clock, log: Logger): ClusterConnection {
  const health = new ApiHealth(clock, log);
  const access = { headers: () => Promise.resolve({}), refresh: () => undefined };
  const client = new RestClient({ transport: offlineTransport, access, clock, log, health, rateLimit: undefined, userAgent: userAgent() });
  return {
    health,
    client,
    eventClient: client,
    heartbeatClient: client,
    reflectors: { client, clock, log, health, random: Math.random },
    close: () => undefined,
  };
}

function userAgent(): string {
  return `shorelet/${programVersion()}`;
}
