/** The composition root: builds every part from one Config, and starts and stops them in order. Nothing else builds parts. */
import { createClusterParts } from './agent/cluster-parts.ts';
import { clusterAccess, createIdentity } from './agent/identity.ts';
import { createPodCgroups, readHost } from './agent/host.ts';
import { createNodeParts } from './agent/node-parts.ts';
import { feedPods } from './agent/pod-feed.ts';
import { createPodParts } from './agent/pod-parts.ts';
import { createRuntime } from './agent/runtime-parts.ts';
import { createServer } from './agent/server-parts.ts';
import { directories } from './agent/settings.ts';
import type { Config } from './config/config.ts';
import type { Clock } from './lib/clock.ts';
import { isAbort } from './lib/errors.ts';
import type { Logger } from './lib/log.ts';
import { acquireInstanceLock } from './node/instance-lock.ts';
import type { NodeManager } from './node/node-manager.ts';
import { createApiPodFeed } from './pods/sources/api-pods.ts';
import { serveHealthz } from './server/healthz-server.ts';
import { instanceIdOf } from './store/instance-id.ts';

/** A runtime that has not answered by then is worth reporting. */
const FIRST_LOOK_MS = 2_000;

export interface AgentOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface Agent {
  /**
   * Runs the node until aborted; containers go on running then. @throws FailedPreconditionError when another agent has the root directory
   * @throws InvalidInputError for a configured file that cannot be used
   */
  run(signal: AbortSignal): Promise<void>;
}

export function createAgent(options: AgentOptions): Agent {
  return { run: (signal) => runAgent(options, signal) };
}

async function runAgent({ config, log, clock }: AgentOptions, signal: AbortSignal): Promise<void> {
  const paths = directories(config);
  await using _lock = await acquireInstanceLock(paths.root, signal);
  const instanceId = await instanceIdOf(paths.root);
  const host = await readHost(config, paths, log);
  const access = await clusterAccess(config, clock, log, signal);
  const cluster = createClusterParts(config, access, clock, log);

  const running: Promise<void>[] = [];
  const failed = Promise.withResolvers<never>();
  const run = (work: Promise<void>): void =>
    void running.push(work.catch((error: unknown) => (isAbort(error) ? undefined : failed.reject(error))));

  // Parts outlive the signal by their own stop, so that what they have begun is ended in order.
  const stopping = new AbortController();
  const service = createRuntime(config, instanceId, clock, log, stopping.signal);
  const { runtime, images } = service;
  const cgroups = createPodCgroups(config, host, runtime, clock, log);
  const node = createNodeParts({
    config,
    paths,
    host,
    cluster,
    runtime,
    images,
    reports: {
      notReadyReasons: () => [pods.pleg.unhealthy()].filter((reason) => reason !== undefined),
      volumesInUse: () => [],
    },
    podCidrChanged: (podCidr) => run(runtime.updateRuntimeConfig({ podCidr }, stopping.signal)),
    clock,
    log,
  });
  const pods = await createPodParts({
    config,
    paths,
    cluster,
    runtime,
    images,
    cgroups,
    node: node.view,
    nodeUid: () => node.manager.node()?.metadata.uid,
    clock,
    log,
  });
  const identity = await createIdentity(config, cluster, access, () => servingAddresses(config, node.manager), clock);
  const server = await createServer({
    config,
    cluster,
    pods,
    runtime,
    runtimeSpeaksWebSocket: true,
    identity,
    health: () => pods.pleg.unhealthy(),
    clock,
    log,
  });

  let closeHealthz = (): Promise<void> => Promise.resolve();
  try {
    pods.dns.checkLimitsForResolvConf();
    await service.start(signal);
    if (config.kubelet.enableServer) await server.listen();
    const { healthzBindAddress, healthzPort } = config.kubelet;
    closeHealthz = await serveHealthz({ address: healthzBindAddress, port: healthzPort }, () => pods.pleg.unhealthy(), log);
    run(cluster.run(stopping.signal));
    run(identity.run(stopping.signal));
    run(reportNode(node.manager, pods.pleg.synced, clock, stopping.signal));
    if (cluster.online) run(node.lease.run(stopping.signal));
    run(pods.pleg.run(stopping.signal));
    // Pods are judged by what the node has and where it is: none is admitted before that is known, or a restart would reject what runs.
    const { looked, registered } = node.manager;
    void looked.then(() => run(pods.runStaticSources(stopping.signal)));
    if (cluster.online) void registered.then(() => feedPods(cluster.pods, createApiPodFeed(pods.pods, log), stopping.signal));
    run(pods.workers.start(stopping.signal));
    await Promise.race([untilAborted(signal), failed.promise]);
  } finally {
    await closeHealthz();
    await server.close();
    await pods.workers.stop();
    await pods.mirrors?.stop();
    await pods.status.stop();
    await pods.probes.stop();
    await pods.volumes.stop();
    stopping.abort();
    await Promise.all(running);
    await cgroups.removeIfEmpty(new AbortController().signal);
    await service.stop();
    cluster.connection.close();
  }
}

/** The node is first looked at when the runtime has been, so that an agent that comes back does not call it unready in between. */
async function reportNode(manager: NodeManager, listed: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  await Promise.race([listed, clock.sleep(FIRST_LOOK_MS, signal)]);
  await manager.run(signal);
}

/** What the HTTPS server is called by: the addresses of the node, or what is configured until they are known. */
function servingAddresses({ shorelet }: Config, manager: NodeManager): readonly string[] {
  const known = manager.hostIPs();
  return known.length > 0 ? known : shorelet.nodeIP;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
