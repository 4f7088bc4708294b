import { UnimplementedError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ContainerEvent, ContainerEventMessage, RuntimeService } from '../runtime/types.ts';
import type { StreamingServer } from '../streaming/types.ts';
import { Commands } from './commands.ts';
import { ContainerView, type ViewChange } from './container-view.ts';
import { Containers } from './containers.ts';
import { createDockerClient } from './docker-client.ts';
import type { DockerEngine } from './engine.ts';
import { probeEngineHost, type EngineHost } from './engine-host.ts';
import { EngineLink, type Connection } from './engine-link.ts';
import { EventFeed } from './event-feed.ts';
import { ImageCache } from './image-cache.ts';
import { DockerImageService } from './image-service.ts';
import { runtimeStatus, versionInfo } from './runtime-status.ts';
import { SandboxCheckpoints } from './sandbox-checkpoints.ts';
import type { EngineContext } from './sandbox-config.ts';
import { OWN_SANDBOX_IMAGE, SandboxImage } from './sandbox-image.ts';
import { Sandboxes } from './sandboxes.ts';
import type { DockershimSettings } from './settings.ts';
import { toPodSandboxStatus } from './statuses.ts';
import type { DockerService, DockershimDependencies } from './types.ts';

/** RuntimeService and ImageService on Docker Engine. @throws InvalidInputError for an endpoint that cannot be used */
export function createDockerService(settings: DockershimSettings, dependencies: DockershimDependencies): DockerService {
  const { clock, logger, network, dialer } = dependencies;
  const { instanceId } = settings;
  const engine = dependencies.engine ?? clientOf(settings, dependencies);
  const stopping = new AbortController();
  let streamingServer: StreamingServer | undefined;

  const imageCache = new ImageCache(engine);
  const checkpoints = new SandboxCheckpoints(settings.rootDirectory, logger);
  const feed = new EventFeed({ describe });
  const view = new ContainerView({ engine, instanceId, clock, logger, onChange: (change) => feed.publish(change) });
  const link = new EngineLink({ engine, view, instanceId, clock, logger, probeHost: probeEngineHost, onChange: onConnection });
  const images = new DockerImageService({
    engine,
    link,
    cache: imageCache,
    clock,
    pinned: [settings.sandboxImage, OWN_SANDBOX_IMAGE],
    pullProgressDeadlineMs: settings.imagePullProgressDeadlineMs,
  });
  const containers = new Containers({ engine, view, link, images: imageCache, instanceId, contextOf, logger });
  const sandboxes = new Sandboxes({
    engine,
    view,
    link,
    network,
    checkpoints,
    image: new SandboxImage({
      engine,
      images,
      image: settings.sandboxImage,
      auth: settings.sandboxImageAuth,
      logger,
    }),
    instanceId,
    contextOf,
    removeContainer: (id, signal) => containers.remove(id, signal),
    onStopped: (_, pid) => dialer.release({ pid }),
    logger,
  });
  const commands = new Commands({ engine, link, view, containers, dialer, clock, logger });

  const runtime: RuntimeService = {
    version: async (signal) => versionInfo(await link.connected(signal)),
    status: async (options, signal) => {
      // Only whether it works is of interest here: the status says why not.
      await link.connected(signal).catch(() => signal.throwIfAborted());
      return runtimeStatus(link, network, settings, options.verbose === true);
    },
    runtimeConfig: async (signal) => ({
      cgroupDriver: (await link.connected(signal)).info.cgroupDriver === 'systemd' ? 'systemd' : 'cgroupfs',
    }),
    updateRuntimeConfig: async ({ podCidr }) => {
      if (podCidr !== '') network.updatePodCidr(podCidr);
    },

    runPodSandbox: (config, handler, signal) => sandboxes.run(config, handler, signal),
    prepareSandbox: (config, handler, signal) => sandboxes.prepare(config, handler, signal),
    stopPodSandbox: (id, signal) => sandboxes.stop(id, signal),
    removePodSandbox: (id, signal) => sandboxes.remove(id, signal),
    podSandboxStatus: (id, signal) => sandboxes.status(id, signal),
    listPodSandbox: (filter, signal) => sandboxes.list(filter, signal),

    createContainer: (sandboxId, config, sandboxConfig, signal) => containers.create(sandboxId, config, sandboxConfig, signal),
    startContainer: (id, signal) => containers.start(id, signal),
    stopContainer: (id, graceSeconds, signal) => containers.stop(id, graceSeconds, signal),
    removeContainer: (id, signal) => containers.remove(id, signal),
    listContainers: (filter, signal) => containers.list(filter, signal),
    containerStatus: (id, signal) => containers.status(id, signal),
    updateContainerResources: (id, resources, signal) => containers.updateResources(id, resources, signal),
    reopenContainerLog: (id, signal) => containers.reopenLog(id, signal),
    listContainerStats: () =>
      Promise.reject(new UnimplementedError('container statistics are read from cgroup files by the stats provider')),

    execSync: (id, cmd, timeoutSeconds, signal) => commands.execSync(id, cmd, timeoutSeconds, signal),
    exec: async (request, signal) => {
      await containers.known(request.containerId, signal);
      return streaming().getExec(request);
    },
    attach: async (request, signal) => {
      // The container's own terminal decides how its stream is to be read, whatever the request says.
      const { inspection } = await containers.known(request.containerId, signal);
      return streaming().getAttach({ ...request, tty: inspection.tty });
    },
    portForward: async (request, signal) => {
      await sandboxes.status(request.podSandboxId, signal);
      return streaming().getPortForward(request);
    },

    containerEvents: (signal) => events(signal),
  };

  return {
    runtime,
    images,
    streaming: commands,
    async start(signal) {
      await checkpoints.load();
      streamingServer = await dependencies.createStreamingServer?.(commands);
      await network.start(signal);
      link.start();
    },
    async stop() {
      stopping.abort();
      await link.stop();
      await streamingServer?.close();
      await network.stop();
    },
  };

  function streaming(): StreamingServer {
    if (streamingServer === undefined) throw new UnimplementedError('this dockershim was started without a streaming server');
    return streamingServer;
  }

  function onConnection(connection: Connection | undefined): void {
    if (connection === undefined) {
      feed.disconnected();
      return;
    }
    tellLimits(connection.host, logger);
    const { cgroupDriver } = connection.info;
    if (settings.cgroupDriver !== undefined && settings.cgroupDriver !== cgroupDriver) {
      logger.error('The cgroup drivers of the agent and of Docker Engine differ', { agent: settings.cgroupDriver, engine: cgroupDriver });
    }
    imageCache.clear();
    feed.resynced();
    // It logs what fails, and only an end of the engine or of us makes it reject.
    sandboxes.adopt(stopping.signal).catch(() => undefined);
  }

  function contextOf({ version, info, host }: Connection): EngineContext {
    return {
      apiVersion: version.apiVersion,
      cgroupDriver: info.cgroupDriver,
      defaultCgroupParent: settings.cgroupParent,
      host,
      log: { maxSizeBytes: settings.logMaxSizeBytes, maxFiles: settings.logMaxFiles },
      defaultRuntime: info.defaultRuntime,
      runtimes: info.runtimes,
    };
  }

  async function describe({ type, entry }: ViewChange): Promise<ContainerEvent> {
    const { inspection, record } = entry;
    const sandboxId = record.kind === 'sandbox' ? inspection.id : record.sandboxId;
    const own = record.kind === 'sandbox' ? entry : undefined;
    const sandbox = sandboxes.factsOf(sandboxId, view.peek(sandboxId) ?? own);
    const members = view
      .membersOf(sandboxId)
      .flatMap(({ inspection, record }) => (record.kind === 'container' ? [{ inspection, record }] : []));
    return {
      containerId: inspection.id,
      type,
      createdAt: BigInt(clock.now()) * 1_000_000n,
      ...(sandbox === undefined ? {} : { podSandboxStatus: toPodSandboxStatus(sandbox) }),
      containersStatuses: await Promise.all(members.map((member) => containers.describe(member, stopping.signal))),
    };
  }

  function events(signal: AbortSignal): AsyncIterable<ContainerEventMessage> {
    return feed.listen(AbortSignal.any([signal, stopping.signal]));
  }
}

/** Once a connection: what containers are not given here although they may ask for it. */
function tellLimits({ withheld, oomScoreFloor }: EngineHost, logger: Logger): void {
  if (withheld.length === 0) return;
  logger.warn('This machine withholds capabilities: privileged containers get all the others, and no lower oom_score_adj than this', {
    oomScoreFloor,
    withheld: withheld.join(' '),
  });
}

function clientOf(settings: DockershimSettings, { clock, logger }: DockershimDependencies): DockerEngine {
  return createDockerClient({
    endpoint: settings.dockerEndpoint,
    ...(settings.dockerTls === undefined ? {} : { tls: settings.dockerTls }),
    requestTimeoutMs: settings.requestTimeoutMs,
    clock,
    ...(settings.traceCalls ? { trace: logger } : {}),
  });
}
