/** The configuration in the words of each room: nowhere else does one know of the other. */
import path from 'node:path';
import type { Config } from '../config/config.ts';
import { engineLogMaxSize, type DockershimSettings } from '../dockershim/settings.ts';
import type { DnsSettings } from '../dns/types.ts';
import type { ImagePullSettings } from '../images/image-manager.ts';
import type { PlanSettings } from '../pods/plan/types.ts';
import type { AllocatableSettings } from '../resources/allocatable.ts';
import type { ExecutorSettings } from '../runtime/executor.ts';
import type { HostPaths } from '../runtime/ports.ts';
import type { NodeServerSettings } from '../server/types.ts';

/** Pulls at once where nothing is configured: enough for a batch of pods, few enough that each gets some bandwidth. */
const DEFAULT_PARALLEL_PULLS = 5;
/** kubelet pkg/kubelet/kubelet.go backOffPeriod and MaxCrashLoopBackOff. */
const CRASH_LOOP_INITIAL_MS = 10_000;
const CRASH_LOOP_RESET_MS = 600_000;

export interface Directories {
  readonly root: string;
  readonly pods: string;
  readonly certificates: string;
  readonly imageRecords: string;
  readonly podLogs: string;
  /** One symlink for each container, `<pod>_<namespace>_<container>-<id>.log`. */
  readonly containerLogs: string;
}

export function directories(config: Config): Directories {
  const root = config.shorelet.rootDirectory;
  const podLogs = config.kubelet.podLogsDir;
  return {
    root,
    pods: path.join(root, 'pods'),
    certificates: config.derived.certDirectory,
    imageRecords: path.join(root, 'image_manager'),
    podLogs,
    // The kubelet's two directories are siblings, and stay so when the configuration moves one.
    containerLogs: path.join(path.dirname(podLogs), 'containers'),
  };
}

export function hostPaths({ pods, podLogs, containerLogs }: Directories): HostPaths {
  return {
    podDirectory: (uid) => path.join(pods, uid),
    podLogDirectory: ({ metadata }) => path.join(podLogs, `${metadata.namespace}_${metadata.name}_${metadata.uid}`),
    containerLogDirectory: containerLogs,
  };
}

export function dockershimSettings(config: Config, instanceId: string): DockershimSettings {
  const { kubelet, shorelet, derived } = config;
  return {
    dockerEndpoint: shorelet.dockerEndpoint,
    traceCalls: derived.log.level === 'debug',
    instanceId,
    rootDirectory: derived.dockershimRootDirectory,
    sandboxImage: shorelet.podSandboxImage,
    imagePullProgressDeadlineMs: shorelet.imagePullProgressDeadline,
    requestTimeoutMs: kubelet.runtimeRequestTimeout,
    ...(kubelet.cgroupDriver === '' ? {} : { cgroupDriver: kubelet.cgroupDriver }),
    cgroupParent: '',
    logMaxSizeBytes: engineLogMaxSize(kubelet.containerLogMaxSize),
    logMaxFiles: kubelet.containerLogMaxFiles,
  };
}

export function dnsSettings({ kubelet }: Config): DnsSettings {
  return { clusterDNS: kubelet.clusterDNS, clusterDomain: kubelet.clusterDomain, resolverConfig: kubelet.resolvConf };
}

export function executorSettings({ kubelet, shorelet }: Config): ExecutorSettings {
  return {
    runtimeRequestTimeoutMs: kubelet.runtimeRequestTimeout,
    seccompDefault: kubelet.seccompDefault,
    seccompProfileRoot: path.join(shorelet.rootDirectory, 'seccomp'),
    selinuxEnabled: false,
  };
}

export function imagePullSettings({ kubelet }: Config): ImagePullSettings {
  return {
    maxParallelPulls: kubelet.serializeImagePulls ? 1 : (kubelet.maxParallelImagePulls ?? DEFAULT_PARALLEL_PULLS),
    registryPullQps: kubelet.registryPullQPS,
    registryBurst: kubelet.registryBurst,
  };
}

export function planSettings({ kubelet }: Config): PlanSettings {
  return {
    crashLoopInitialMs: CRASH_LOOP_INITIAL_MS,
    crashLoopMaxMs: kubelet.crashLoopBackOff.maxContainerRestartPeriod,
    crashLoopResetMs: CRASH_LOOP_RESET_MS,
  };
}

export function allocatableSettings({ kubelet, shorelet }: Config): AllocatableSettings {
  return {
    maxPods: kubelet.maxPods,
    podsPerCore: kubelet.podsPerCore,
    systemReserved: kubelet.systemReserved,
    kubeReserved: kubelet.kubeReserved,
    evictionHard: kubelet.evictionHard,
    ephemeralStorage: kubelet.localStorageCapacityIsolation,
    capacity: shorelet.capacity,
  };
}

const TLS_VERSIONS = { VersionTLS10: 'TLSv1.2', VersionTLS11: 'TLSv1.2', VersionTLS12: 'TLSv1.2', VersionTLS13: 'TLSv1.3' } as const;

/** `clientCa`: the file's content. */
export function serverSettings({ kubelet, derived }: Config, clientCa: string | undefined): NodeServerSettings {
  return {
    address: kubelet.address,
    port: kubelet.port,
    anonymousAuth: kubelet.authentication.anonymous.enabled,
    webhookAuthentication: kubelet.authentication.webhook.enabled,
    authorizationMode: kubelet.authorization.mode,
    ...(clientCa === undefined ? {} : { clientCa }),
    nodeName: derived.nodeName,
    minTlsVersion: TLS_VERSIONS[kubelet.tlsMinVersion],
    ...(kubelet.tlsCipherSuites.length === 0 ? {} : { ciphers: kubelet.tlsCipherSuites.map(nodeCipherName).join(':') }),
    debuggingHandlers: kubelet.enableDebuggingHandlers,
  };
}

/** Go's name of a TLS 1.2 suite as OpenSSL's: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 → ECDHE-RSA-AES128-GCM-SHA256. */
function nodeCipherName(suite: string): string {
  if (!suite.includes('_WITH_')) return suite; // TLS 1.3 suites have one name
  return suite
    .replace(/^TLS_/, '')
    .replace('_WITH_', '_')
    .replace(/AES_(\d+)/, 'AES$1')
    .replace(/_CBC_/, '_')
    .replace('CHACHA20_POLY1305_SHA256', 'CHACHA20_POLY1305')
    .replaceAll('_', '-');
}
