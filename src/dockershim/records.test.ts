import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PodSandboxConfig } from '../runtime/types.ts';
import { INSTANCE_LABEL, containerRecord, decodeRecord, encodeRecord, sandboxRecord } from './records.ts';

const config: PodSandboxConfig = {
  metadata: { name: 'p', uid: 'u', namespace: 'n', attempt: 1 },
  hostname: 'h',
  logDirectory: '/l',
  dnsConfig: { servers: ['1.1.1.1'], searches: [], options: [] },
  portMappings: [{ protocol: 'UDP', containerPort: 53, hostPort: 53, hostIp: '' }],
  labels: {},
  annotations: {},
  linux: {
    cgroupParent: '',
    sysctls: {},
    securityContext: { namespaceOptions: { network: 'pod', pid: 'target', ipc: 'pod', targetId: 'x' } },
  },
};
/** Kubernetes' keys begin and end with a letter or a digit: `__proto__` is none. */
const key = fc.string().filter((text) => text !== '__proto__');
const map = fc.dictionary(key, fc.string(), { noNullPrototype: true });

test('any labels and annotations come back exactly, whatever an image adds', () => {
  fc.assert(
    fc.property(map, map, map, (labels, annotations, fromImage) => {
      const record = sandboxRecord({ ...config, labels, annotations }, 'handler');
      const onEngine = { ...fromImage, ...encodeRecord('me', record) };
      expect(decodeRecord('me', onEngine)).toEqual(record);
    }),
  );
});

test('labels that look like ours change nothing of ours', () => {
  const labels = { [INSTANCE_LABEL]: 'forged', 'shorelet.io/record': '{}', 'shorelet.io/type': 'x' };
  const encoded = encodeRecord('me', sandboxRecord({ ...config, labels }, ''));
  expect(encoded[INSTANCE_LABEL]).toBe('me');
  expect(encoded['shorelet.io/type']).toBe('sandbox');
  expect(decodeRecord('me', encoded)).toMatchObject({ labels });
});

test('what belongs to others, or to nobody, is no record', () => {
  const encoded = encodeRecord('me', sandboxRecord(config, ''));
  expect(decodeRecord('you', encoded)).toBeUndefined();
  expect(decodeRecord('me', {})).toBeUndefined();
  expect(decodeRecord('me', { 'io.kubernetes.pod.uid': 'u' })).toBeUndefined();
});

test.each(['', '{', '[]', 'null', '{"kind":"sandbox"}', '{"kind":"other"}'])('a record of %j is none', (text) => {
  expect(decodeRecord('me', { [INSTANCE_LABEL]: 'me', 'shorelet.io/record': text })).toBeUndefined();
});

test('Kubernetes’ labels are there in the plain, annotations are not', () => {
  const record = sandboxRecord({ ...config, labels: { 'io.kubernetes.pod.name': 'p' }, annotations: { big: 'x' } }, '');
  const encoded = encodeRecord('me', record);
  expect(encoded['io.kubernetes.pod.name']).toBe('p');
  expect(Object.keys(encoded)).not.toContain('big');
});

test('a container remembers what the pod called its image', () => {
  const container = {
    metadata: { name: 'c', attempt: 0 },
    image: { image: 'sha256:1', userSpecifiedImage: 'nginx' },
    labels: {},
    annotations: {},
  } as const;
  const rest = {
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    mounts: [],
    devices: [],
    logPath: '',
    stdin: false,
    stdinOnce: false,
    tty: false,
  };
  const linux = { securityContext: config.linux.securityContext };
  expect(containerRecord('s', { ...container, ...rest, linux }, '/log').userSpecifiedImage).toBe('nginx');
  expect(containerRecord('s', { ...container, ...rest, linux, image: { image: 'busybox' } }, '/log').userSpecifiedImage).toBe('busybox');
});
