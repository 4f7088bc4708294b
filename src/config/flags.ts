/**
 * Command-line flags of `shorelet run` and `shorelet config`, with the kubelet's names where the kubelet has the flag (kubelet
 * cmd/kubelet/app/options/options.go). A flag is another way to write one field of a document.
 */
import { InvalidInputError } from '../lib/errors.ts';
import type { DocumentName, Layer } from './layers.ts';
import { ConfigError } from './problems.ts';

/** How a flag's text becomes the value of a field. `duration` and `text` stay text. */
export type FlagKind = 'text' | 'duration' | 'number' | 'boolean' | 'list' | 'map' | 'quantities' | 'thresholds' | 'taints' | 'booleans';

export interface FlagDefinition {
  /** Without dashes. */
  readonly name: string;
  readonly document: DocumentName;
  readonly path: readonly string[];
  readonly kind: FlagKind;
  readonly description: string;
}

function flagOf(document: DocumentName) {
  return (name: string, path: string, kind: FlagKind, description: string): FlagDefinition => ({
    name,
    document,
    path: path.split('.'),
    kind,
    description,
  });
}
const kubelet = flagOf('kubelet');
const shorelet = flagOf('shorelet');

export const FLAGS: readonly FlagDefinition[] = [
  shorelet('kubeconfig', 'kubeconfig', 'text', 'credentials for the API server'),
  shorelet('bootstrap-kubeconfig', 'bootstrapKubeconfig', 'text', 'credentials to obtain the kubeconfig with, when it does not exist'),
  shorelet('hostname-override', 'nodeName', 'text', 'name of the node; the host name if not set'),
  shorelet('node-name', 'nodeName', 'text', 'the same as --hostname-override'),
  shorelet('node-ip', 'nodeIP', 'list', 'address of the node, or one of each family; that of the default route if not set'),
  shorelet('node-labels', 'nodeLabels', 'map', 'labels to register the node with'),
  shorelet('cloud-provider', 'cloudProvider', 'text', 'empty or "external"'),
  shorelet('root-dir', 'rootDirectory', 'text', 'directory for pods, volumes and state'),
  shorelet('cert-dir', 'certDirectory', 'text', 'directory for certificates; pki below the root directory if not set'),
  shorelet('docker-endpoint', 'dockerEndpoint', 'text', 'socket of the Docker engine'),
  shorelet('image-pull-progress-deadline', 'imagePullProgressDeadline', 'duration', 'a pull without progress for so long is cancelled'),
  shorelet('pod-infra-container-image', 'podSandboxImage', 'text', 'image of the container that holds the namespaces of a pod'),
  shorelet('network-plugin', 'network.plugin', 'text', 'empty for Docker\'s bridge, or "cni"'),
  shorelet('cni-bin-dir', 'network.binDirs', 'list', 'directories of CNI plugins'),
  shorelet('cni-conf-dir', 'network.confDir', 'text', 'directory of CNI configuration lists'),
  shorelet('cni-cache-dir', 'network.cacheDir', 'text', 'directory of CNI results'),
  shorelet('network-plugin-mtu', 'network.mtu', 'number', "MTU of pod interfaces; 0 for the plugin's own"),
  shorelet('non-masquerade-cidr', 'network.nonMasqueradeCIDR', 'text', 'traffic to addresses outside is masqueraded'),
  shorelet('virtual-kubelet', 'virtualKubelet.enabled', 'boolean', 'mark the node the way virtual-kubelet does'),
  shorelet('minimum-container-ttl-duration', 'containerGC.minimumAge', 'duration', 'minimum age of a dead container before it is removed'),
  shorelet(
    'maximum-dead-containers-per-container',
    'containerGC.maxPerPodContainer',
    'number',
    'dead containers to keep for each container',
  ),
  shorelet('maximum-dead-containers', 'containerGC.maxContainers', 'number', 'dead containers to keep in all; -1 for no limit'),
  shorelet('image-credential-provider-config', 'imageCredentialProvider.config', 'text', 'configuration of credential provider plugins'),
  shorelet('image-credential-provider-bin-dir', 'imageCredentialProvider.binDirectory', 'text', 'directory of credential provider plugins'),

  kubelet('container-runtime-endpoint', 'containerRuntimeEndpoint', 'text', 'socket of a CRI runtime; Docker inside the agent if not set'),
  kubelet('image-service-endpoint', 'imageServiceEndpoint', 'text', "socket of the CRI image service; the runtime's if not set"),
  kubelet('runtime-request-timeout', 'runtimeRequestTimeout', 'duration', 'limit of each call to the runtime'),
  kubelet('register-node', 'registerNode', 'boolean', 'create the Node object if it does not exist'),
  kubelet('register-with-taints', 'registerWithTaints', 'taints', 'taints to register the node with: key=value:effect,…'),
  kubelet('provider-id', 'providerID', 'text', 'identifier of the machine at its provider'),
  kubelet('pod-manifest-path', 'staticPodPath', 'text', 'directory (or file) of static pods'),
  kubelet('manifest-url', 'staticPodURL', 'text', 'URL of static pods'),
  kubelet('file-check-frequency', 'fileCheckFrequency', 'duration', 'time between looks at the directory of static pods'),
  kubelet('http-check-frequency', 'httpCheckFrequency', 'duration', 'time between looks at the URL of static pods'),
  kubelet('sync-frequency', 'syncFrequency', 'duration', 'longest time between two looks at a pod'),
  kubelet('cluster-dns', 'clusterDNS', 'list', "addresses of the cluster's DNS servers"),
  kubelet('cluster-domain', 'clusterDomain', 'text', "domain of the cluster, for pods' DNS search"),
  kubelet('resolv-conf', 'resolvConf', 'text', "file on which pods' DNS configuration is based"),
  kubelet('enable-server', 'enableServer', 'boolean', 'serve the kubelet API'),
  kubelet('address', 'address', 'text', 'address to serve on'),
  kubelet('port', 'port', 'number', 'port to serve on'),
  kubelet('read-only-port', 'readOnlyPort', 'number', 'port without authentication; 0 for none'),
  kubelet('healthz-port', 'healthzPort', 'number', 'port of the local healthz endpoint; 0 for none'),
  kubelet('healthz-bind-address', 'healthzBindAddress', 'text', 'address of the local healthz endpoint'),
  kubelet('enable-debugging-handlers', 'enableDebuggingHandlers', 'boolean', 'serve logs, exec, attach, port-forward and run'),
  kubelet('streaming-connection-idle-timeout', 'streamingConnectionIdleTimeout', 'duration', 'limit of a stream without traffic'),
  kubelet('tls-cert-file', 'tlsCertFile', 'text', 'certificate to serve with'),
  kubelet('tls-private-key-file', 'tlsPrivateKeyFile', 'text', 'key of that certificate'),
  kubelet('tls-cipher-suites', 'tlsCipherSuites', 'list', 'TLS cipher suites of the server'),
  kubelet('tls-min-version', 'tlsMinVersion', 'text', 'least TLS version of the server'),
  kubelet('rotate-certificates', 'rotateCertificates', 'boolean', 'renew the client certificate'),
  kubelet('rotate-server-certificates', 'serverTLSBootstrap', 'boolean', 'request the serving certificate from the cluster'),
  kubelet('client-ca-file', 'authentication.x509.clientCAFile', 'text', 'authorities of client certificates'),
  kubelet('anonymous-auth', 'authentication.anonymous.enabled', 'boolean', 'let requests without credentials through to authorization'),
  kubelet('authentication-token-webhook', 'authentication.webhook.enabled', 'boolean', 'authenticate bearer tokens by TokenReview'),
  kubelet('authentication-token-webhook-cache-ttl', 'authentication.webhook.cacheTTL', 'duration', 'how long such an answer holds'),
  kubelet('authorization-mode', 'authorization.mode', 'text', '"Webhook" or "AlwaysAllow"'),
  kubelet('authorization-webhook-cache-authorized-ttl', 'authorization.webhook.cacheAuthorizedTTL', 'duration', 'how long a yes holds'),
  kubelet('authorization-webhook-cache-unauthorized-ttl', 'authorization.webhook.cacheUnauthorizedTTL', 'duration', 'how long a no holds'),
  kubelet('cgroup-driver', 'cgroupDriver', 'text', '"cgroupfs" or "systemd"; what the engine uses if not set'),
  kubelet('cgroup-root', 'cgroupRoot', 'text', 'cgroup below which pods live'),
  kubelet('cgroups-per-qos', 'cgroupsPerQOS', 'boolean', 'cgroups for QoS classes and pods'),
  kubelet('cpu-cfs-quota', 'cpuCFSQuota', 'boolean', 'enforce CPU limits'),
  kubelet('cpu-cfs-quota-period', 'cpuCFSQuotaPeriod', 'duration', 'period of CPU limits'),
  kubelet('oom-score-adj', 'oomScoreAdj', 'number', 'oom_score_adj of the agent itself'),
  kubelet('fail-swap-on', 'failSwapOn', 'boolean', 'refuse to start on a machine with swap'),
  kubelet('fail-cgroupv1', 'failCgroupV1', 'boolean', 'refuse to start on a machine with cgroup v1'),
  kubelet('pod-max-pids', 'podPidsLimit', 'number', 'limit of processes of a pod; -1 for none'),
  kubelet('max-pods', 'maxPods', 'number', 'pods that the node takes'),
  kubelet('pods-per-core', 'podsPerCore', 'number', 'pods for each core; 0 for no such limit'),
  kubelet('pod-cidr', 'podCIDR', 'text', 'pod addresses, when no API server assigns them'),
  kubelet('hairpin-mode', 'hairpinMode', 'text', '"promiscuous-bridge", "hairpin-veth" or "none"'),
  kubelet('system-reserved', 'systemReserved', 'quantities', 'resources kept for the system: cpu=200m,memory=500Mi,…'),
  kubelet('kube-reserved', 'kubeReserved', 'quantities', "resources kept for Kubernetes' own parts"),
  kubelet('enforce-node-allocatable', 'enforceNodeAllocatable', 'list', 'what the reservations are enforced on'),
  kubelet('eviction-hard', 'evictionHard', 'thresholds', 'thresholds of pressure: memory.available<100Mi,…'),
  kubelet(
    'eviction-pressure-transition-period',
    'evictionPressureTransitionPeriod',
    'duration',
    'how long pressure is reported after it has ended',
  ),
  kubelet('image-gc-high-threshold', 'imageGCHighThresholdPercent', 'number', 'disk use in percent that starts image garbage collection'),
  kubelet('image-gc-low-threshold', 'imageGCLowThresholdPercent', 'number', 'disk use in percent that it frees down to'),
  kubelet('minimum-image-ttl-duration', 'imageMinimumGCAge', 'duration', 'minimum age of an unused image before it is removed'),
  kubelet('serialize-image-pulls', 'serializeImagePulls', 'boolean', 'pull one image at a time'),
  kubelet('registry-qps', 'registryPullQPS', 'number', 'pulls a second; 0 for no limit'),
  kubelet('registry-burst', 'registryBurst', 'number', 'pulls at once above that'),
  kubelet('event-qps', 'eventRecordQPS', 'number', 'events a second; 0 for no limit'),
  kubelet('event-burst', 'eventBurst', 'number', 'events at once above that'),
  kubelet('kube-api-qps', 'kubeAPIQPS', 'number', 'requests a second to the API server'),
  kubelet('kube-api-burst', 'kubeAPIBurst', 'number', 'requests at once above that'),
  kubelet('node-status-update-frequency', 'nodeStatusUpdateFrequency', 'duration', "time between looks at the node's state"),
  kubelet('node-status-max-images', 'nodeStatusMaxImages', 'number', "images listed in the node's status; -1 for all"),
  kubelet('container-log-max-size', 'containerLogMaxSize', 'text', "size at which a container's log is rotated"),
  kubelet('container-log-max-files', 'containerLogMaxFiles', 'number', 'log files kept for a container'),
  kubelet('allowed-unsafe-sysctls', 'allowedUnsafeSysctls', 'list', 'unsafe sysctls that pods may set'),
  kubelet('seccomp-default', 'seccompDefault', 'boolean', 'RuntimeDefault seccomp profile for pods that name none'),
  kubelet('local-storage-capacity-isolation', 'localStorageCapacityIsolation', 'boolean', 'count and limit ephemeral storage'),
  kubelet('feature-gates', 'featureGates', 'booleans', 'accepted; no feature depends on a gate'),
  kubelet('v', 'logging.verbosity', 'number', 'log verbosity: 4 and more is debug'),
  kubelet('logging-format', 'logging.format', 'text', '"text" or "json"'),
  kubelet('log-format', 'logging.format', 'text', 'the same as --logging-format'),
];

/** A flag that was given, as a layer. @throws ConfigError when its text cannot be such a value */
export function flagLayer(definition: FlagDefinition, text: string): Layer {
  const source = `--${definition.name}`;
  try {
    return { document: definition.document, source, path: definition.path, value: parseFlagValue(definition.kind, text) };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw new ConfigError([
      { path: definition.path.join('.'), source, expected: error.message, found: text, remedy: 'Correct the flag, or leave it out.' },
    ]);
  }
}

/** @throws InvalidInputError whose message is what was expected */
function parseFlagValue(kind: FlagKind, text: string): unknown {
  switch (kind) {
    case 'text':
    case 'duration':
      return text;
    case 'number':
      if (!/^[+-]?\d+$/.test(text)) throw new InvalidInputError('a whole number');
      return Number(text);
    case 'boolean':
      return parseBoolean(text);
    case 'list':
      return splitList(text);
    case 'map':
    case 'quantities':
      return Object.fromEntries(splitList(text).map((item) => splitPair(item, '=')));
    case 'booleans':
      return Object.fromEntries(
        splitList(text)
          .map((item) => splitPair(item, '='))
          .map(([key, value]) => [key, parseBoolean(value)]),
      );
    case 'thresholds':
      return Object.fromEntries(splitList(text).map((item) => splitPair(item, '<')));
    case 'taints':
      return splitList(text).map(parseTaint);
  }
}

function parseBoolean(text: string): boolean {
  if (['true', '1', 't', 'T', 'TRUE', 'True'].includes(text)) return true;
  if (['false', '0', 'f', 'F', 'FALSE', 'False'].includes(text)) return false;
  throw new InvalidInputError('true or false');
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function splitPair(item: string, separator: string): [string, string] {
  const at = item.indexOf(separator);
  if (at <= 0) throw new InvalidInputError(`pairs name${separator}value separated by commas`);
  return [item.slice(0, at).trim(), item.slice(at + separator.length).trim()];
}

/** `key=value:effect` or `key:effect`; whether each part is a legal one is the schema's to say. */
function parseTaint(text: string): { key: string; value?: string; effect: string } {
  const [, key, value, effect] = /^([^=:]+)(?:=([^=:]*))?:([^=:]+)$/.exec(text) ?? [];
  if (key === undefined || effect === undefined) throw new InvalidInputError('taints "key=value:effect" separated by commas');
  return value === undefined ? { key, effect } : { key, value, effect };
}
