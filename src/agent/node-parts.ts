/** The Node object: its facts, its manager, and the view of it that pods are judged by. */
import type { Taint } from '../api/types.ts';
import { NodeLease } from '../cluster/lease.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { kubeletVersion } from '../lib/version.ts';
import { hostAddressSource, NodeFactsSource } from '../node/node-facts.ts';
import { NodeManager } from '../node/node-manager.ts';
import { createNodeStorage } from '../node/node-storage.ts';
import type { NodeReports, NodeSettings } from '../node/types.ts';
import type { NodeView } from '../pods/ports.ts';
import { PressureMonitor } from '../resources/pressure.ts';
import type { ImageService, RuntimeService } from '../runtime/types.ts';
import type { ClusterParts } from './cluster-parts.ts';
import type { Host } from './host.ts';
import { allocatableSettings, type Directories } from './settings.ts';

/**
 * Features whose behaviour is built and tested (k8s.io/component-helpers nodedeclaredfeatures). ExtendWebSocketsToKubelet: exec,
 * attach and port-forward all arrive here as WebSocket.
 */
const DECLARED_FEATURES: readonly string[] = ['ExtendWebSocketsToKubelet'];

export interface NodePartsDeps {
  readonly config: Config;
  readonly paths: Directories;
  readonly host: Host;
  readonly cluster: ClusterParts;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly reports: NodeReports;
  /** The cluster has assigned the addresses of this node's pods. */
  readonly podCidrChanged: (podCidr: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface NodeParts {
  readonly manager: NodeManager;
  readonly lease: NodeLease;
  readonly view: NodeView;
}

export function createNodeParts(deps: NodePartsDeps): NodeParts {
  const { config, paths, host, cluster, runtime, images, reports, clock, log } = deps;
  const { kubelet, derived } = config;
  const settings = nodeSettings(config);
  const facts = new NodeFactsSource({
    settings,
    machine: host.machine,
    hierarchy: host.hierarchy,
    runtime,
    images,
    storage: createNodeStorage({ rootDirectory: paths.root, images, clock }),
    reports,
    pressure: new PressureMonitor(
      { thresholds: kubelet.evictionHard, transitionPeriodMs: kubelet.evictionPressureTransitionPeriod },
      clock,
    ),
    addressFacts: hostAddressSource(derived.nodeName, clock),
    clock,
    log,
  });
  const manager: NodeManager = new NodeManager({
    settings,
    client: cluster.connection.heartbeatClient,
    store: cluster.node,
    facts,
    events: cluster.recorder,
    startEvents: host.capabilities.limitations.map((message) => ({ type: 'Warning', reason: 'HostLimited', message })),
    podCidrChanged: deps.podCidrChanged,
    clock,
    log,
    random: Math.random,
  });
  const lease = new NodeLease({
    client: cluster.connection.heartbeatClient,
    clock,
    log,
    health: cluster.connection.health,
    nodeName: derived.nodeName,
    nodeUid: () => manager.node()?.metadata.uid,
    durationSeconds: kubelet.nodeLeaseDurationSeconds,
    random: Math.random,
  });
  const view: NodeView = {
    nodeName: derived.nodeName,
    labels: () => manager.node()?.metadata.labels ?? config.shorelet.nodeLabels,
    taints: (): readonly Taint[] => manager.node()?.spec?.taints ?? kubelet.registerWithTaints.map(withoutUndefined),
    allocatable: () => manager.allocatable(),
    allowedUnsafeSysctls: () => kubelet.allowedUnsafeSysctls,
    hostIPs: () => manager.hostIPs(),
    supportsSupplementalGroupsPolicy: () => manager.node()?.status?.features?.supplementalGroupsPolicy ?? false,
    supportsRecursiveReadOnlyMounts: (handler = '') =>
      manager.node()?.status?.runtimeHandlers?.find(({ name = '' }) => name === handler)?.features?.recursiveReadOnlyMounts ?? false,
  };
  return { manager, lease, view };
}

function nodeSettings(config: Config): NodeSettings {
  const { kubelet, shorelet, derived } = config;
  return {
    nodeName: derived.nodeName,
    hostname: derived.nodeName,
    nodeIPs: shorelet.nodeIP,
    registerNode: kubelet.registerNode,
    registerWithTaints: kubelet.registerWithTaints.map(withoutUndefined),
    nodeLabels: shorelet.nodeLabels,
    providerId: kubelet.providerID,
    externalCloudProvider: shorelet.cloudProvider === 'external',
    controllerAttachDetach: kubelet.enableControllerAttachDetach,
    ...(shorelet.virtualKubelet.enabled ? { virtualKubelet: { provider: shorelet.virtualKubelet.provider } } : {}),
    port: kubelet.enableServer ? kubelet.port : 0,
    kubeletVersion: kubeletVersion(),
    declaredFeatures: DECLARED_FEATURES,
    resources: allocatableSettings(config),
    statusUpdateFrequencyMs: kubelet.nodeStatusUpdateFrequency,
    statusReportFrequencyMs: kubelet.nodeStatusReportFrequency,
    maxImages: kubelet.nodeStatusMaxImages,
    ...(shorelet.network.plugin === ''
      ? { networkUnavailable: { reason: 'DockerBridge', message: "Pods are connected by the engine's own bridge" } }
      : {}),
  };
}

function withoutUndefined({
  key,
  value,
  effect,
}: {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: string;
}): Taint {
  return { key, effect, ...(value === undefined ? {} : { value }) };
}
