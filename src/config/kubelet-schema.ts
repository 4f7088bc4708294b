/**
 * KubeletConfiguration, kubelet.config.k8s.io/v1beta1 as of v1.37: every field with its name, default and limits
 * (k8s.io/kubelet config/v1beta1/types.go, kubelet pkg/kubelet/apis/config/v1beta1/defaults.go and validation/validation.go).
 *
 * Defaults that differ from the kubelet's, each because the kubelet's would be wrong here:
 * - containerRuntimeEndpoint is empty: the Docker runtime inside the agent.
 * - cgroupDriver is empty: what the engine uses (the kubelet, too, follows its runtime); a value must agree with the engine.
 * - failSwapOn and failCgroupV1 are false: the machine is somebody's own, and both work.
 * - serializeImagePulls is false: pulls run side by side, one for each distinct image.
 * - contentType is JSON, the only one spoken.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import {
  absolutePath,
  byteSize,
  choice,
  duration,
  flag,
  integer,
  port,
  quantity,
  quantityMap,
  text,
  textList,
  textMap,
  textThat,
  thresholdValue,
} from './fields.ts';
import { isLabelValue, isQualifiedName } from './labels.ts';

export const KUBELET_API_VERSION = 'kubelet.config.k8s.io/v1beta1';
export const KUBELET_KIND = 'KubeletConfiguration';

/** What can be reserved (kubelet cmd/kubelet/app/server.go parseResourceList). */
export const RESERVABLE_RESOURCES = ['cpu', 'memory', 'ephemeral-storage', 'pid'] as const;

/** Signals of eviction thresholds (kubelet pkg/kubelet/eviction/api/types.go). */
export const EVICTION_SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'allocatableMemory.available',
  'pid.available',
] as const;
export type EvictionSignal = (typeof EVICTION_SIGNALS)[number];

/** Kubelet pkg/kubelet/eviction/defaults_linux.go. */
export const DEFAULT_EVICTION_HARD = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
} as const;

const isAddress = (value: string): boolean => isIP(value) !== 0;
const address = (fallback: string) => textThat('an IP address', isAddress, fallback);
const unixSocket = () =>
  textThat(
    'a unix socket such as "unix:///run/containerd/containerd.sock", or nothing for Docker',
    (value) => /^unix:\/\/\/./.test(value) || value.startsWith('/'),
  );
const signal = () => z.enum(EVICTION_SIGNALS, { error: `one of the signals ${EVICTION_SIGNALS.join(', ')}` });
const thresholds = () => z.partialRecord(signal(), thresholdValue(), { error: 'a map from eviction signals to amounts' });

const taint = z.strictObject({
  key: z.string({ error: 'a label key' }).refine(isQualifiedName, { error: 'a label key' }),
  value: z.string({ error: 'a label value' }).refine(isLabelValue, { error: 'a label value' }).optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'], { error: 'one of "NoSchedule", "PreferNoSchedule", "NoExecute"' }),
});

const outputRouting = () =>
  z.strictObject({ splitStream: flag(false), infoBufferSize: z.union([z.string(), z.number()]).optional() }).prefault({});

export const kubeletSchema = z.strictObject({
  enableServer: flag(true),
  staticPodPath: text(),
  podLogsDir: absolutePath('/var/log/pods'),
  syncFrequency: duration('1m'),
  fileCheckFrequency: duration('20s'),
  httpCheckFrequency: duration('20s'),
  staticPodURL: text(),
  staticPodURLHeader: z.record(z.string(), z.array(z.string())).default({}),
  address: address('0.0.0.0'),
  port: port(10250),
  readOnlyPort: port(0, 'kept'),
  tlsCertFile: text(),
  tlsPrivateKeyFile: text(),
  tlsCipherSuites: textList('names of TLS cipher suites', (value) => value.startsWith('TLS_')),
  tlsCurvePreferences: z.array(z.int({ error: 'IANA numbers of TLS curves' })).default([]),
  tlsMinVersion: choice(['VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'], 'VersionTLS12'),
  rotateCertificates: flag(false),
  serverTLSBootstrap: flag(false),
  authentication: z
    .strictObject({
      x509: z.strictObject({ clientCAFile: text() }).prefault({}),
      webhook: z.strictObject({ enabled: flag(true), cacheTTL: duration('2m') }).prefault({}),
      anonymous: z.strictObject({ enabled: flag(false) }).prefault({}),
    })
    .prefault({}),
  authorization: z
    .strictObject({
      mode: choice(['Webhook', 'AlwaysAllow'], 'Webhook'),
      webhook: z.strictObject({ cacheAuthorizedTTL: duration('5m'), cacheUnauthorizedTTL: duration('30s') }).prefault({}),
    })
    .prefault({}),
  registryPullQPS: integer(5, { zero: 'kept' }),
  registryBurst: integer(10),
  imagePullCredentialsVerificationPolicy: choice(
    ['NeverVerify', 'NeverVerifyPreloadedImages', 'NeverVerifyAllowlistedImages', 'AlwaysVerify'],
    'NeverVerifyPreloadedImages',
  ),
  preloadedImagesVerificationAllowlist: textList(),
  eventRecordQPS: integer(50, { zero: 'kept' }),
  eventBurst: integer(100),
  enableDebuggingHandlers: flag(true),
  enableContentionProfiling: flag(false),
  healthzPort: port(10248, 'kept'),
  healthzBindAddress: address('127.0.0.1'),
  oomScoreAdj: integer(-999, { zero: 'kept', min: -1000, max: 1000 }),
  clusterDomain: text(),
  clusterDNS: textList('IP addresses of DNS servers', isAddress),
  streamingConnectionIdleTimeout: duration('4h'),
  nodeStatusUpdateFrequency: duration('10s', { minMs: 100 }),
  nodeStatusReportFrequency: duration('5m', { minMs: 100 }),
  nodeLeaseDurationSeconds: integer(40, { min: 1 }),
  imageMinimumGCAge: duration('2m'),
  imageMaximumGCAge: duration('0s', { zero: 'kept' }),
  imageGCHighThresholdPercent: integer(85, { zero: 'kept', max: 100 }),
  imageGCLowThresholdPercent: integer(80, { zero: 'kept', max: 100 }),
  volumeStatsAggPeriod: duration('1m', { minMs: Number.MIN_SAFE_INTEGER }),
  kubeletCgroups: text(),
  systemCgroups: text(),
  cgroupRoot: text(),
  cgroupsPerQOS: flag(true),
  cgroupDriver: choice(['', 'cgroupfs', 'systemd'], ''),
  cpuManagerPolicy: choice(['none', 'static'], 'none'),
  singleProcessOOMKill: z.boolean({ error: 'true or false' }).optional(),
  cpuManagerPolicyOptions: textMap(),
  cpuManagerReconcilePeriod: duration('10s'),
  memoryManagerPolicy: choice(['None', 'Static'], 'None'),
  topologyManagerPolicy: choice(['none', 'best-effort', 'restricted', 'single-numa-node'], 'none'),
  topologyManagerScope: choice(['container', 'pod'], 'container'),
  topologyManagerPolicyOptions: textMap(),
  qosReserved: textMap(),
  runtimeRequestTimeout: duration('2m', { minMs: 1000 }),
  hairpinMode: choice(['promiscuous-bridge', 'hairpin-veth', 'none'], 'promiscuous-bridge'),
  maxPods: integer(110, { min: 1 }),
  podCIDR: text(),
  podPidsLimit: integer(-1, { zero: 'kept', min: -1, max: Number.MAX_SAFE_INTEGER }),
  resolvConf: z.string({ error: 'a path, or nothing for no base' }).default('/etc/resolv.conf'),
  runOnce: flag(false),
  cpuCFSQuota: flag(true),
  cpuCFSQuotaPeriod: duration('100ms', { minMs: 1, maxMs: 1000 }),
  nodeStatusMaxImages: integer(50, { zero: 'kept', min: -1 }),
  maxOpenFiles: integer(1_000_000, { max: Number.MAX_SAFE_INTEGER }),
  contentType: text('application/json'),
  kubeAPIQPS: integer(50, { zero: 'kept' }),
  kubeAPIBurst: integer(100),
  serializeImagePulls: flag(false),
  maxParallelImagePulls: z.int({ error: 'a whole number, 1 or greater' }).min(1, { error: 'a whole number, 1 or greater' }).optional(),
  evictionHard: thresholds().prefault(DEFAULT_EVICTION_HARD),
  evictionSoft: thresholds().default({}),
  evictionSoftGracePeriod: z.partialRecord(signal(), duration('0s', { zero: 'kept' })).default({}),
  evictionPressureTransitionPeriod: duration('5m'),
  evictionMaxPodGracePeriod: integer(0, { zero: 'kept', min: -1 }),
  evictionMinimumReclaim: thresholds().default({}),
  mergeDefaultEvictionSettings: flag(false),
  podsPerCore: integer(0),
  enableControllerAttachDetach: flag(true),
  protectKernelDefaults: flag(false),
  makeIPTablesUtilChains: flag(true),
  iptablesMasqueradeBit: integer(14, { zero: 'kept', max: 31 }),
  iptablesDropBit: integer(15, { zero: 'kept', max: 31 }),
  featureGates: z.record(z.string(), z.boolean({ error: 'true or false' })).default({}),
  failSwapOn: flag(false),
  memorySwap: z.strictObject({ swapBehavior: choice(['', 'NoSwap', 'LimitedSwap'], '') }).prefault({}),
  containerLogMaxSize: byteSize('10Mi'),
  containerLogMaxFiles: integer(5, { zero: 'kept', min: 2 }),
  containerLogMaxWorkers: integer(1, { zero: 'kept', min: 1 }),
  containerLogMonitorInterval: duration('10s', { zero: 'kept', minMs: 3000 }),
  configMapAndSecretChangeDetectionStrategy: choice(['Watch', 'Cache', 'Get'], 'Watch'),
  systemReserved: quantityMap(RESERVABLE_RESOURCES),
  kubeReserved: quantityMap(RESERVABLE_RESOURCES),
  reservedSystemCPUs: textThat('a CPU list such as "0-3,8"', (value) => /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(value)),
  showHiddenMetricsForVersion: text(),
  systemReservedCgroup: text(),
  kubeReservedCgroup: text(),
  enforceNodeAllocatable: z
    .array(
      z.enum(['pods', 'none', 'system-reserved', 'system-reserved-compressible', 'kube-reserved', 'kube-reserved-compressible'], {
        error: '"pods", "none", "system-reserved", "kube-reserved" or one of the latter two with "-compressible"',
      }),
    )
    .default(['pods']),
  allowedUnsafeSysctls: textList(),
  defaultPodSysctls: textMap(),
  volumePluginDir: text('/usr/libexec/kubernetes/kubelet-plugins/volume/exec/'),
  providerID: text(),
  kernelMemcgNotification: flag(false),
  logging: z
    .strictObject({
      format: choice(['text', 'json'], 'text'),
      flushFrequency: z.union([z.string(), z.number()], { error: 'a duration' }).default('5s'),
      verbosity: integer(0),
      vmodule: z.array(z.strictObject({ filePattern: z.string(), verbosity: z.int() })).default([]),
      options: z.strictObject({ text: outputRouting(), json: outputRouting() }).prefault({}),
    })
    .prefault({}),
  enableSystemLogHandler: flag(true),
  enableSystemLogQuery: flag(false),
  shutdownGracePeriod: duration('0s', { zero: 'kept' }),
  shutdownGracePeriodCriticalPods: duration('0s', { zero: 'kept' }),
  shutdownGracePeriodByPodPriority: z
    .array(
      z.strictObject({
        priority: z.int({ error: 'a whole number' }),
        shutdownGracePeriodSeconds: z.int({ error: 'a whole number of seconds' }),
      }),
    )
    .default([]),
  crashLoopBackOff: z.strictObject({ maxContainerRestartPeriod: duration('5m', { minMs: 1000, maxMs: 300_000 }) }).prefault({}),
  reservedMemory: z.array(z.strictObject({ numaNode: z.int(), limits: z.record(z.string(), quantity()) })).default([]),
  enableProfilingHandler: flag(true),
  enableDebugFlagsHandler: flag(true),
  seccompDefault: flag(false),
  memoryThrottlingFactor: z
    .number({ error: 'a number above 0, up to 1' })
    .gt(0, { error: 'a number above 0, up to 1' })
    .max(1, { error: 'a number above 0, up to 1' })
    .optional(),
  memoryReservationPolicy: choice(['None', 'TieredReservation'], 'None'),
  registerWithTaints: z.array(taint, { error: 'a list of taints' }).default([]),
  registerNode: flag(true),
  tracing: z.strictObject({ endpoint: z.string().optional(), samplingRatePerMillion: z.int().optional() }).optional(),
  localStorageCapacityIsolation: flag(true),
  containerRuntimeEndpoint: unixSocket(),
  imageServiceEndpoint: unixSocket(),
  failCgroupV1: flag(false),
  userNamespaces: z
    .strictObject({ idsPerPod: z.int({ error: 'a multiple of 65536' }).multipleOf(65536, { error: 'a multiple of 65536' }).optional() })
    .optional(),
});

/** KubeletConfiguration as the program uses it: every default applied, durations in ms, sizes in bytes, quantities parsed. */
export type KubeletSettings = z.output<typeof kubeletSchema>;

/**
 * Fields that are read and checked but change nothing, because the agent has no such part. Their names are logged when a file
 * or flag gives them a value other than the default.
 */
export const FIELDS_WITHOUT_EFFECT: ReadonlySet<keyof KubeletSettings> = new Set([
  'readOnlyPort',
  'defaultPodSysctls',
  'imageMinimumGCAge',
  'imageMaximumGCAge',
  'imageGCHighThresholdPercent',
  'imageGCLowThresholdPercent',
  'podCIDR',
  'imageServiceEndpoint',
  'syncFrequency',
  'tlsCurvePreferences',
  'imagePullCredentialsVerificationPolicy',
  'preloadedImagesVerificationAllowlist',
  'enableContentionProfiling',
  'volumeStatsAggPeriod',
  'kubeletCgroups',
  'systemCgroups',
  'cpuManagerPolicy',
  'singleProcessOOMKill',
  'cpuManagerPolicyOptions',
  'cpuManagerReconcilePeriod',
  'memoryManagerPolicy',
  'topologyManagerPolicy',
  'topologyManagerScope',
  'topologyManagerPolicyOptions',
  'qosReserved',
  'maxOpenFiles',
  'contentType',
  'evictionSoft',
  'evictionSoftGracePeriod',
  'evictionMaxPodGracePeriod',
  'evictionMinimumReclaim',
  'protectKernelDefaults',
  'makeIPTablesUtilChains',
  'iptablesMasqueradeBit',
  'iptablesDropBit',
  'featureGates',
  'containerLogMaxWorkers',
  'containerLogMonitorInterval',
  'configMapAndSecretChangeDetectionStrategy',
  'reservedSystemCPUs',
  'showHiddenMetricsForVersion',
  'systemReservedCgroup',
  'kubeReservedCgroup',
  'volumePluginDir',
  'kernelMemcgNotification',
  'enableSystemLogHandler',
  'enableSystemLogQuery',
  'shutdownGracePeriod',
  'shutdownGracePeriodCriticalPods',
  'shutdownGracePeriodByPodPriority',
  'reservedMemory',
  'enableProfilingHandler',
  'enableDebugFlagsHandler',
  'memoryThrottlingFactor',
  'memoryReservationPolicy',
  'tracing',
  'userNamespaces',
]);
