/** The pod loop: from what should be to what is, and back into the API. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { nodeReference } from '../api/object-reference.ts';
import type { Pod } from '../api/types.ts';
import type { Config } from '../config/config.ts';
import { checkGrpcHealth } from '../cri/grpc-health.ts';
import { createDnsConfigurer } from '../dns/dns-configurer.ts';
import type { DnsConfigurer } from '../dns/types.ts';
import { createDockerCredentials } from '../images/docker-credentials.ts';
import { createImageManager, type ImageManager } from '../images/image-manager.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { PodManager, type PodSource } from '../pods/pod-manager.ts';
import { PodWorkers } from '../pods/pod-workers.ts';
import type { NodeView } from '../pods/ports.ts';
import { FileSource } from '../pods/sources/file-source.ts';
import { HttpSource } from '../pods/sources/http-source.ts';
import { MirrorPods } from '../pods/sources/mirror-pods.ts';
import { StatusManager } from '../pods/status-manager.ts';
import { createProbeManager } from '../probes/probe-manager.ts';
import type { ProbeManager } from '../probes/types.ts';
import type { PodCgroups } from '../resources/cgroups/pod-cgroups.ts';
import { podLimits, wholeUnits } from '../resources/pod-resources.ts';
import { createExecutor } from '../runtime/executor.ts';
import { createHookRunner } from '../runtime/hooks.ts';
import { createPleg, type Pleg } from '../runtime/pleg.ts';
import { createTerminationMessages } from '../runtime/termination-message.ts';
import type { ImageService, RuntimeService } from '../runtime/types.ts';
import { localFiles } from '../volumes/local-files.ts';
import { createHostMounter } from '../volumes/mounter.ts';
import type { VolumeManager } from '../volumes/types.ts';
import { createVolumeManager } from '../volumes/volume-manager.ts';
import type { ClusterParts } from './cluster-parts.ts';
import { objectPort, runtimeClassPort, volumeObjects } from './objects.ts';
import { dnsSettings, executorSettings, hostPaths, imagePullSettings, planSettings, type Directories } from './settings.ts';
import { podWriter } from './status-writer.ts';

/** What the pod loop is built on. */
export interface PodPartsDeps {
  readonly config: Config;
  readonly paths: Directories;
  readonly cluster: ClusterParts;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly cgroups: PodCgroups;
  readonly node: NodeView;
  readonly nodeUid: () => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface PodParts {
  readonly pods: PodManager;
  readonly pleg: Pleg;
  readonly workers: PodWorkers;
  readonly status: StatusManager;
  readonly probes: ProbeManager;
  readonly volumes: VolumeManager;
  readonly imageManager: ImageManager;
  readonly dns: DnsConfigurer;
  /** Reads static pods until aborted. */
  runStaticSources(signal: AbortSignal): Promise<void>;
  /** Absent without an API server. */
  readonly mirrors: MirrorPods | undefined;
}

export async function createPodParts(deps: PodPartsDeps): Promise<PodParts> {
  const { config, paths, cluster, runtime, images, cgroups, node, clock, log } = deps;
  const events = cluster.recorder;
  const hostIPs = (): readonly string[] => node.hostIPs();
  const pods = new PodManager(podSources(config, cluster));
  const pleg = createPleg({ runtime, clock, logger: log });
  const dns = createDnsConfigurer({
    settings: dnsSettings(config),
    events,
    node: nodeReference(config.derived.nodeName),
    nodeIPs: hostIPs,
    readText: (file) => readFileSync(file, 'utf8'),
  });
  const objects = objectPort(cluster, clock);
  const imageManager = await createImageManager({
    images,
    events,
    secrets: objects,
    nodeCredentials: createDockerCredentials({ configFiles: dockerConfigFiles(paths), clock, logger: log }),
    settings: imagePullSettings(config),
    clock,
    logger: log,
    recordDirectory: paths.imageRecords,
  });
  const volumes = createVolumeManager({
    settings: { podsDirectory: paths.pods },
    clock,
    log,
    events,
    files: localFiles,
    mounter: createHostMounter({ clock }),
    objects: volumeObjects(cluster),
    tokens: cluster.tokens,
    images: { ensureImage: (request, signal) => imageManager.ensureVolumeImage(request, signal) },
    node: {
      nodeName: node.nodeName,
      hostIPs,
      labels: () => node.labels(),
      allocatable: () => node.allocatable(),
      podMemoryLimit,
    },
  });
  const probes = createProbeManager({
    clock,
    log,
    events,
    cache: pleg,
    runtime,
    grpc: { check: (request, signal) => checkGrpcHealth(request, clock, signal) },
    hostIPs,
    version: '1.37',
  });
  const executor = createExecutor({
    runtime,
    images: imageManager,
    volumes,
    cgroups,
    dns,
    objects,
    runtimeClasses: runtimeClassPort(cluster),
    hooks: createHookRunner({ runtime, events, clock }),
    events,
    node: { nodeName: node.nodeName, hostIPs, allocatable: () => node.allocatable() },
    paths: hostPaths(paths),
    settings: executorSettings(config),
    clock,
    logger: log,
  });
  const status = new StatusManager({ clock, log, writer: podWriter(cluster.connection.client), pods });
  const workers = new PodWorkers({
    clock,
    log,
    cache: pleg,
    executor,
    pods,
    status,
    probes: probes.results,
    node,
    events,
    terminationMessages: createTerminationMessages({ clock }),
    runtimeName: 'docker',
    settings: planSettings(config),
  });
  workers.onLifecycle((pod, lifecycle) => {
    switch (lifecycle) {
      case 'syncing':
        cluster.podObjects.register(pod);
        probes.syncPod(pod);
        volumes.podChanged(pod);
        break;
      case 'terminating':
        probes.stopLivenessAndStartup(pod.metadata.uid);
        break;
      case 'terminated':
        probes.removePod(pod.metadata.uid);
        break;
      case 'gone':
        forget(pod);
        break;
    }
  });
  const forget = ({ metadata: { uid } }: Pod): void => {
    probes.removePod(uid);
    cluster.podObjects.unregister(uid);
    cluster.tokens.forgetPod(uid);
  };
  const { nodeName } = node;
  const mirrors = cluster.online
    ? new MirrorPods({ clock, log, writer: podWriter(cluster.connection.client), pods, nodeName, nodeUid: deps.nodeUid, workers })
    : undefined;
  return {
    pods,
    pleg,
    workers,
    status,
    probes,
    volumes,
    imageManager,
    dns,
    mirrors,
    runStaticSources: async (signal) => {
      await Promise.all(staticSources(deps, pods).map((source) => source.run(signal)));
    },
  };
}

/** Bytes; `undefined` unless every container has a limit. */
function podMemoryLimit(pod: Pod): number | undefined {
  return podLimits(pod).has('memory') ? wholeUnits(podLimits(pod), 'memory') : undefined;
}

/** Where the kubelet looks for registry credentials (kubelet pkg/credentialprovider/config.go). */
function dockerConfigFiles({ root }: Directories): string[] {
  return [path.join(root, 'config.json'), path.join(homedir(), '.docker', 'config.json')];
}

function staticSources(
  { config: { kubelet }, node: { nodeName }, clock, log }: PodPartsDeps,
  pods: PodManager,
): (FileSource | HttpSource)[] {
  const { staticPodPath, fileCheckFrequency, staticPodURL, staticPodURLHeader, httpCheckFrequency } = kubelet;
  const shared = { clock, log, pods, nodeName };
  return [
    ...(staticPodPath === '' ? [] : [new FileSource({ ...shared, path: staticPodPath, checkFrequencyMs: fileCheckFrequency })]),
    ...(staticPodURL === ''
      ? []
      : [new HttpSource({ ...shared, url: staticPodURL, headers: staticPodURLHeader, checkFrequencyMs: httpCheckFrequency })]),
  ];
}

function podSources({ kubelet }: Config, { online }: ClusterParts): PodSource[] {
  return [
    ...(online ? (['api'] as const) : []),
    ...(kubelet.staticPodPath === '' ? [] : (['file'] as const)),
    ...(kubelet.staticPodURL === '' ? [] : (['http'] as const)),
  ];
}
