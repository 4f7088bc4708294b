import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { formatQuantity } from '../api/quantity.ts';
import { parseDocuments } from './documents.ts';
import { flagLayer, FLAGS } from './flags.ts';
import { kubeletSchema } from './kubelet-schema.ts';
import type { Layer } from './layers.ts';
import { resolveConfig } from './load.ts';
import { ConfigError } from './problems.ts';
import { renderConfig } from './render.ts';

const facts = { hostname: 'Worker-1' };

function file(yaml: string, source = 'node.yaml'): Layer[] {
  return parseDocuments(yaml, source);
}

function kubelet(yaml: string, source?: string): Layer[] {
  return file(`apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n${yaml}`, source);
}

function shorelet(yaml: string): Layer[] {
  return file(`apiVersion: shorelet.io/v1alpha1\nkind: ShoreletConfiguration\n${yaml}`);
}

function flags(given: Record<string, string>): Layer[] {
  return Object.entries(given).map(([name, text]) => {
    const definition = FLAGS.find((candidate) => candidate.name === name);
    if (definition === undefined) throw new Error(`no flag ${name}`);
    return flagLayer(definition, text);
  });
}

function faults(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

test('without any source the defaults are the kubelet’s, in milliseconds and bytes', () => {
  const { kubelet, shorelet, derived, warnings } = resolveConfig([], facts);
  expect(kubelet).toMatchObject({
    port: 10250,
    nodeStatusUpdateFrequency: 10_000,
    nodeStatusReportFrequency: 300_000,
    maxPods: 110,
    containerLogMaxSize: 10 * 1024 * 1024,
    imageGCHighThresholdPercent: 85,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true, cacheTTL: 120_000 } },
    authorization: { mode: 'Webhook' },
    evictionHard: { 'nodefs.available': { percentage: 0.1 } },
  });
  expect(shorelet.dockerEndpoint).toBe('unix:///var/run/docker.sock');
  expect(derived).toEqual({
    runtime: 'dockershim',
    nodeName: 'worker-1',
    certDirectory: '/var/lib/kubelet/pki',
    dockershimRootDirectory: '/var/lib/kubelet/dockershim',
    imageServiceEndpoint: '',
    log: { level: 'info', format: 'text' },
  });
  expect(warnings).toEqual([]);
});

test('a file wins over defaults, a later file over an earlier one, a flag over files', () => {
  const layers = [
    ...kubelet('maxPods: 10\nport: 1001\nclusterDomain: a'),
    ...kubelet('maxPods: 20\nport: 1002', 'later'),
    ...flags({ 'max-pods': '30' }),
  ];
  expect(resolveConfig(layers, facts).kubelet).toMatchObject({ maxPods: 30, port: 1002, clusterDomain: 'a' });
});

test('drop-in files join maps, and a flag replaces them', () => {
  const files = [...kubelet('systemReserved: {cpu: 100m}'), ...kubelet('systemReserved: {memory: 1Gi}', 'later')];
  expect(Object.keys(resolveConfig(files, facts).kubelet.systemReserved)).toEqual(['cpu', 'memory']);
  const reserved = resolveConfig([...files, ...flags({ 'system-reserved': 'pid=10' })], facts).kubelet.systemReserved;
  expect(Object.keys(reserved)).toEqual(['pid']);
});

test('a zero stands for the default only where the kubelet’s field is no pointer', () => {
  const { kubelet: settings } = resolveConfig(
    kubelet('maxPods: 0\nsyncFrequency: 0s\nregistryPullQPS: 0\nhealthzPort: 0\ncontentType: ""'),
    facts,
  );
  expect(settings).toMatchObject({
    maxPods: 110,
    syncFrequency: 60_000,
    registryPullQPS: 0,
    healthzPort: 0,
    contentType: 'application/json',
  });
});

test('the report frequency follows an explicit update frequency, and eviction defaults are merged when asked', () => {
  expect(resolveConfig(kubelet('nodeStatusUpdateFrequency: 3s'), facts).kubelet.nodeStatusReportFrequency).toBe(3000);
  const thresholds = 'evictionHard: {memory.available: 1Gi}\n';
  expect(Object.keys(resolveConfig(kubelet(thresholds), facts).kubelet.evictionHard)).toEqual(['memory.available']);
  const merged = resolveConfig(kubelet(`${thresholds}mergeDefaultEvictionSettings: true`), facts).kubelet.evictionHard;
  expect(Object.keys(merged)).toHaveLength(5);
  expect(merged['memory.available']).toMatchObject({ quantity: { format: 'BinarySI' } });
});

test('both documents may stand in one file', () => {
  const yaml = [
    'apiVersion: kubelet.config.k8s.io/v1beta1',
    'kind: KubeletConfiguration',
    'maxPods: 7',
    '---',
    'apiVersion: shorelet.io/v1alpha1',
    'kind: ShoreletConfiguration',
    'nodeName: edge-1',
  ].join('\n');
  const config = resolveConfig(file(yaml), facts);
  expect([config.kubelet.maxPods, config.derived.nodeName]).toEqual([7, 'edge-1']);
});

test.each<[string, () => Layer[], string]>([
  [
    'a wrong type',
    () => kubelet('maxPods: many'),
    'maxPods (node.yaml): expected a whole number, 1 or greater; found "many". Correct it there, or remove it for the default.',
  ],
  [
    'an unknown field',
    () => kubelet('maxPod: 3'),
    'maxPod (node.yaml): expected a known field; found "maxPod". Did you mean "maxPods"? Correct the name, or remove it.',
  ],
  [
    'an unknown nested field',
    () => kubelet('authentication: {webhook: {enable: true}}'),
    'authentication.webhook.enable (node.yaml): expected one of enabled, cacheTTL; found "enable". Did you mean "enabled"? Correct the name, or remove it.',
  ],
  [
    'a duration without a unit',
    () => kubelet('syncFrequency: "10"'),
    'syncFrequency (node.yaml): expected a duration such as "10s" or "1m30s", not negative; found "10". Correct it there, or remove it for the default.',
  ],
  [
    'an invalid DNS server',
    () => kubelet('clusterDNS: [10.96.0.10, dns.example]'),
    'clusterDNS.1 (node.yaml): expected IP addresses of DNS servers; found "dns.example". Correct it there, or remove it for the default.',
  ],
  [
    'the same by a flag',
    () => flags({ 'cluster-dns': '10.96.0.300' }),
    'clusterDNS.0 (--cluster-dns): expected IP addresses of DNS servers; found "10.96.0.300". Correct the flag, or leave it out.',
  ],
  [
    'a flag that is no number',
    () => flags({ port: 'http' }),
    'port (--port): expected a whole number; found "http". Correct the flag, or leave it out.',
  ],
  [
    'ssh to Docker',
    () => shorelet('dockerEndpoint: ssh://host'),
    'dockerEndpoint (node.yaml): expected a unix socket such as "unix:///var/run/docker.sock" (ssh:// and tcp:// endpoints are not supported); found "ssh://host". Correct it there, or remove it for the default.',
  ],
  [
    'thresholds the wrong way round',
    () => kubelet('imageGCLowThresholdPercent: 90'),
    'imageGCLowThresholdPercent (node.yaml): expected less than imageGCHighThresholdPercent (85); found 90. Lower it, or raise imageGCHighThresholdPercent.',
  ],
  [
    'a label that the node may not give itself',
    () => flags({ 'node-labels': 'node-role.kubernetes.io/worker=' }),
    'nodeLabels.node-role.kubernetes.io/worker (--node-labels): expected a label that a node may give itself: outside kubernetes.io and k8s.io, below node.kubernetes.io or kubelet.kubernetes.io, or a well-known one; found "node-role.kubernetes.io/worker". Set it with kubectl label, or choose another prefix.',
  ],
  [
    'a resource that cannot be reserved',
    () => kubelet('systemReserved: {hugepages: 1}'),
    'systemReserved.hugepages (node.yaml): expected one of cpu, memory, ephemeral-storage, pid; found "hugepages". Remove it.',
  ],
  [
    'a quantity that is none',
    () => kubelet('kubeReserved: {cpu: lots}'),
    'kubeReserved.cpu (node.yaml): expected a quantity such as "500m" or "1Gi", not negative; found "lots". Correct it there, or remove it for the default.',
  ],
  [
    'a certificate without its key',
    () => kubelet('tlsCertFile: /a'),
    'tlsPrivateKeyFile (node.yaml): expected a file, as tlsCertFile is set; found "". Set tlsPrivateKeyFile too, or neither.',
  ],
  [
    'a document of another kind',
    () => file('apiVersion: v1\nkind: Pod'),
    'node.yaml: expected a document with apiVersion kubelet.config.k8s.io/v1beta1 and kind KubeletConfiguration, or shorelet.io/v1alpha1 and ShoreletConfiguration; found {"apiVersion":"v1","kind":"Pod"}. Correct apiVersion and kind.',
  ],
])('%s is refused with the place, the expectation and the remedy', (_, layers, message) => {
  expect(faults(() => resolveConfig(layers(), facts))).toEqual([message]);
});

test('broken YAML and a repeated key name the file', () => {
  expect(faults(() => file('a: [')).join()).toContain('node.yaml: expected YAML');
  expect(faults(() => kubelet('maxPods: 1\nmaxPods: 2')).join()).toContain('node.yaml: expected YAML');
});

test('every fault is named at once', () => {
  expect(faults(() => resolveConfig([...kubelet('maxPods: x\nport: 0.5'), ...shorelet('network: {mtu: -1}')], facts))).toHaveLength(3);
});

test('a host name that is no node name is a fault unless another is given', () => {
  for (const hostname of ['', 'my_host', 'a b']) expect(faults(() => resolveConfig([], { hostname })).join()).toContain('nodeName');
  expect(resolveConfig(flags({ 'hostname-override': 'n1' }), { hostname: '' }).derived.nodeName).toBe('n1');
});

test('settings without effect are named once, unless they have their default value', () => {
  expect(resolveConfig(kubelet('cpuManagerPolicy: static\nmaxOpenFiles: 5\nvolumeStatsAggPeriod: 0s\nmaxPods: 5'), facts).warnings).toEqual(
    ['these settings are accepted but have no effect here: cpuManagerPolicy, maxOpenFiles'],
  );
});

test('another runtime serves images too unless told otherwise', () => {
  const cri = flags({ 'container-runtime-endpoint': 'unix:///run/containerd/containerd.sock' });
  expect(resolveConfig(cri, facts).derived).toMatchObject({
    runtime: 'cri',
    imageServiceEndpoint: 'unix:///run/containerd/containerd.sock',
  });
  const own = flags({ 'container-runtime-endpoint': 'unix:///run/shorelet/dockershim.sock' });
  expect(resolveConfig(own, facts).derived.runtime).toBe('dockershim');
});

test('what is printed loads to the same configuration', () => {
  const layers = [
    ...kubelet(
      'systemReserved: {cpu: 0.5, memory: 1Gi}\nevictionHard: {memory.available: 5%, pid.available: "10"}\nclusterDNS: [10.96.0.10]\nimageMaximumGCAge: 1h',
    ),
    ...flags({ 'register-with-taints': 'a=b:NoSchedule,c:NoExecute', 'node-labels': 'x=y', 'cni-bin-dir': '/a,/b' }),
  ];
  const config = resolveConfig(layers, facts);
  const again = resolveConfig(file(renderConfig(config)), facts);
  expect(again.kubelet).toEqual(config.kubelet);
  expect(again.shorelet).toEqual({ ...config.shorelet, nodeName: 'worker-1' });
  expect(config.kubelet.registerWithTaints).toEqual([
    { key: 'a', value: 'b', effect: 'NoSchedule' },
    { key: 'c', effect: 'NoExecute' },
  ]);
  const cpu = config.kubelet.systemReserved.cpu;
  expect(cpu && formatQuantity(cpu)).toBe('500m');
});

test('the printed documents hold every field in Kubernetes’ notation', () => {
  const [kubeletText = '', shoreletText = ''] = renderConfig(resolveConfig([], facts)).split('---\n');
  const document = parse(kubeletText) as Record<string, unknown>;
  expect(document).toMatchObject({ kind: 'KubeletConfiguration', syncFrequency: '1m0s', containerLogMaxSize: '10Mi' });
  expect(parse(shoreletText)).toMatchObject({ kind: 'ShoreletConfiguration', imagePullProgressDeadline: '1m0s' });
});

test('the configuration is frozen all the way down', () => {
  const config = resolveConfig([], facts);
  expect(() => Object.assign(config.kubelet.authentication.webhook, { enabled: false })).toThrow(TypeError);
});

test('every flag leads to a field that exists, and no name is used twice', () => {
  expect(new Set(FLAGS.map(({ name }) => name)).size).toBe(FLAGS.length);
  const config = resolveConfig([], facts);
  for (const { document, path, name } of FLAGS) {
    let at: unknown = config[document];
    for (const key of path) at = (at as Record<string, unknown>)[key];
    expect(at, name).toBeDefined();
  }
});

test('every field of v1.37 is accepted', () => {
  // The names in k8s.io/kubelet v0.37.2 config/v1beta1/types.go.
  expect(Object.keys(kubeletSchema.shape)).toHaveLength(126);
});
