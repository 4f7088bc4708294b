import { describe, expect, test } from 'vitest';
import { START } from '../testing/builders.ts';
import { parseManifest, type ManifestOrigin } from './static-manifest.ts';

const origin: ManifestOrigin = { kind: 'file', location: '/etc/kubernetes/manifests/web.yaml', nodeName: 'Node-1', seenAt: START };

const manifest = (spec: string, metadata = 'name: web'): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  ${metadata}\nspec:\n  ${spec}\n`;
const plain = manifest('containers: [{name: c, image: "nginx"}]');

const one = (text: string, from = origin): ReturnType<typeof parseManifest>[number] => {
  const [pod] = parseManifest(text, from);
  if (pod === undefined) throw new Error('no pod');
  return pod;
};

test('a manifest becomes a pod of this node, marked as the kubelet marks it', () => {
  const { metadata, spec } = one(plain);
  expect(metadata).toMatchObject({
    name: 'web-node-1',
    namespace: 'default',
    annotations: {
      'kubernetes.io/config.hash': metadata.uid,
      'kubernetes.io/config.source': 'file',
      'kubernetes.io/config.seen': '2026-01-01T00:00:00.000Z',
    },
  });
  expect(spec).toMatchObject({ nodeName: 'Node-1', tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] });
});

test('the UID is that of the text at its place on this node, whenever it is read', () => {
  const { uid } = one(plain).metadata;
  expect(uid).toMatch(/^[0-9a-f]{32}$/);
  expect(one(plain, { ...origin, seenAt: START + 1 }).metadata.uid).toBe(uid);
  expect(one(plain, { ...origin, nodeName: 'other' }).metadata.uid).not.toBe(uid);
  expect(one(plain, { ...origin, location: '/other' }).metadata.uid).not.toBe(uid);
  expect(one(plain.replace('nginx', 'nginx:2')).metadata.uid).not.toBe(uid);
  expect(one(manifest('containers: [{name: c, image: i}]', 'uid: mine\n  name: web')).metadata.uid).toBe('mine');
});

test('what the API server would fill in is there', () => {
  const { spec } = one(
    manifest(`hostNetwork: true
  containers:
    - name: c
      image: registry:5000/app
      ports: [{containerPort: 80}]
      resources: {limits: {cpu: "1"}}
      livenessProbe: {httpGet: {port: 80}}
    - {name: d, image: "app:1.2"}
  volumes: [{name: v}, {name: h, hostPath: {path: /x}}]`),
  );
  expect(spec).toMatchObject({ restartPolicy: 'Always', terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst' });
  expect(spec.containers[0]).toMatchObject({
    imagePullPolicy: 'Always',
    terminationMessagePath: '/dev/termination-log',
    ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
    resources: { requests: { cpu: '1' } },
    livenessProbe: { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3, httpGet: { path: '/', scheme: 'HTTP' } },
  });
  expect(spec.containers[1]?.imagePullPolicy).toBe('IfNotPresent');
  expect(spec.volumes).toEqual([
    { name: 'v', emptyDir: {} },
    { name: 'h', hostPath: { path: '/x', type: '' } },
  ]);
});

test('a list holds several pods', () => {
  const item = (name: string): object => ({ kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  const pods = parseManifest(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', items: [item('a'), item('b')] }), {
    ...origin,
    kind: 'http',
  });
  expect(pods.map(({ metadata }) => metadata.name)).toEqual(['a-node-1', 'b-node-1']);
  expect(pods[0]?.spec.tolerations).toBeUndefined();
});

describe('what cannot be used says why', () => {
  test.each<[string, string]>([
    ['{', 'the manifest is neither YAML nor JSON'],
    ['', 'kind: expected Pod'],
    ['kind: Deployment', 'kind: expected Pod, found "Deployment"'],
    [manifest('containers: []'), 'pod.spec.containers: expected at least 1 entry'],
    [manifest('containers: nginx'), 'pod.spec.containers: expected a list, found the string "nginx"'],
    [
      manifest('containers: [{name: c, image: i, env: [{value: x}]}]'),
      'pod.spec.containers[0].env[0].name: expected a name, found nothing',
    ],
    [
      manifest('containers: [{name: c, image: i, command: [1]}]'),
      'pod.spec.containers[0].command[0]: expected a string, found the number 1',
    ],
    [manifest('containers: [{name: C, image: i}]'), '"C" is not a DNS-1123 label'],
    [manifest('containers: [{name: c, image: i}, {name: c, image: i}]'), 'the name "c" is used twice'],
    [manifest('containers: [{name: c}]'), 'c has no image'],
    [manifest('containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}]'), 'there is no volume "v"'],
    [manifest('containers: [{name: c, image: i}]', 'name: Web_1'), 'metadata.name: expected a DNS-1123 name'],
    [manifest('serviceAccountName: x\n  containers: [{name: c, image: i}]'), 'static pods may not reference serviceaccounts'],
    [manifest('containers: [{name: c, image: i, envFrom: [{secretRef: {name: s}}]}]'), 'static pods may not reference secrets'],
    [
      manifest('volumes: [{name: v, configMap: {name: m}}]\n  containers: [{name: c, image: i}]'),
      'static pods may not reference configmaps',
    ],
    [
      manifest('volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]\n  containers: [{name: c, image: i}]'),
      'serviceaccounttokens',
    ],
  ])('%j', (text, complaint) => {
    expect(() => parseManifest(text, origin)).toThrow(complaint);
  });
});
