/** The HTTPS server on :10250. */
import { POD_UID_LABEL } from '../api/container-labels.ts';
import type { Pod } from '../api/types.ts';
import { AccessReviewer, TokenReviewer } from '../cluster/reviews.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { ObservedPod } from '../pods/types.ts';
import { containerEnded } from '../runtime/logs/container-ended.ts';
import { readLogs } from '../runtime/logs/read-logs.ts';
import type { ContainerStatus, RuntimeService } from '../runtime/types.ts';
import { NodeServer } from '../server/node-server.ts';
import { proxyUpgrade } from '../streaming/proxy-upgrade.ts';
import type { ClusterParts } from './cluster-parts.ts';
import type { PodParts } from './pod-parts.ts';
import { readConfigured, type Identity } from './identity.ts';
import { serverSettings } from './settings.ts';

export interface ServerPartsDeps {
  readonly config: Config;
  readonly cluster: ClusterParts;
  readonly pods: PodParts;
  readonly runtime: RuntimeService;
  /** Whether the runtime's streaming server speaks WebSocket version 5. */
  readonly runtimeSpeaksWebSocket: boolean;
  readonly identity: Identity;
  readonly health: () => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** @throws InvalidInputError naming a certificate file that cannot be read */
export async function createServer(deps: ServerPartsDeps): Promise<NodeServer> {
  const { config, cluster, pods: parts, runtime, clock, log } = deps;
  const { authentication, authorization, streamingConnectionIdleTimeout } = config.kubelet;
  const { clientCAFile } = authentication.x509;
  const clientCa = clientCAFile === '' ? undefined : await readConfigured('authentication.x509.clientCAFile', clientCAFile);
  return new NodeServer(serverSettings(config, clientCa), {
    clock,
    log,
    tls: deps.identity.tls,
    authenticator: new TokenReviewer({ client: cluster.connection.client, clock, cacheTtlMs: authentication.webhook.cacheTTL }),
    authorizer: new AccessReviewer({
      client: cluster.connection.client,
      clock,
      authorizedTtlMs: authorization.webhook.cacheAuthorizedTTL,
      unauthorizedTtlMs: authorization.webhook.cacheUnauthorizedTTL,
    }),
    pods: parts.pods,
    statuses: { status: (uid) => parts.status.get(uid) },
    runtime,
    containerLogs: {
      read: (container, options, signal) =>
        readLogs(
          { path: container.logPath, options, ended: containerEnded(parts.pleg, podUidOf(container), container.id, signal) },
          { clock },
          signal,
        ),
    },
    streams: {
      proxy: (upgrade, url, streams, signal) =>
        proxyUpgrade(
          upgrade,
          url,
          { runtimeSpeaksWebSocket: deps.runtimeSpeaksWebSocket, streams, idleTimeoutMs: streamingConnectionIdleTimeout, clock, log },
          signal,
        ),
    },
    sandboxOf: (uid) => parts.pleg.get(uid)?.sandboxes.find(({ state }) => state === 'ready')?.id,
    runningPods: () => parts.pleg.uids().flatMap((uid) => runningPod(parts.pleg.get(uid))),
    health: deps.health,
    configz: () => config.kubelet,
    pages: [],
  });
}

const podUidOf = ({ labels }: ContainerStatus): string => labels[POD_UID_LABEL] ?? '';

/** A pod as far as the runtime knows it; none if nothing of it runs. */
function runningPod(observed: ObservedPod | undefined): Pod[] {
  const running = observed?.containers.filter(({ state }) => state === 'running') ?? [];
  if (observed === undefined || running.length === 0) return [];
  const { name, namespace, uid } = observed;
  const containers = running.map(({ metadata, image }) => ({ name: metadata.name, image: image.userSpecifiedImage ?? image.image }));
  return [{ metadata: { name, namespace, uid }, spec: { containers } }];
}
