import { expect, test } from 'vitest';
import { fieldValue, formatMap, needsPodIPs, resourceFieldValue } from './downward.ts';
import type { Pod } from './types.ts';

const pod: Pod = {
  metadata: {
    name: 'web',
    namespace: 'shop',
    uid: 'u-1',
    labels: { tier: 'front', app: 'web' },
    annotations: { 'example.com/Note': 'two\n"lines"', plain: 'x' },
  },
  spec: {
    nodeName: 'node-1',
    serviceAccountName: 'robot',
    containers: [
      { name: 'main', resources: { limits: { cpu: '1500m', memory: '64Mi', 'hugepages-2Mi': '4Mi' }, requests: { cpu: '250m' } } },
      { name: 'other', resources: { requests: { memory: '1Gi' } } },
    ],
    initContainers: [{ name: 'setup', resources: { limits: { cpu: '3' } } }],
  },
};
const facts = { hostIPs: ['10.0.0.1', 'fd00::1'], podIPs: ['10.1.0.7', 'fd01::7'] };
const allocatable = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '100Gi' };
const main = pod.spec.containers[0];

test.each([
  ['metadata.name', 'web'],
  ['metadata.namespace', 'shop'],
  ['metadata.uid', 'u-1'],
  ['metadata.labels', 'app="web"\ntier="front"'],
  ["metadata.labels['tier']", 'front'],
  ["metadata.labels['absent']", ''],
  ["metadata.annotations['example.com/Note']", 'two\n"lines"'],
  ['spec.nodeName', 'node-1'],
  ['spec.serviceAccountName', 'robot'],
  ['status.hostIP', '10.0.0.1'],
  ['status.hostIPs', '10.0.0.1,fd00::1'],
  ['status.podIP', '10.1.0.7'],
  ['status.podIPs', '10.1.0.7,fd01::7'],
])('%s is %j', (path, expected) => {
  expect(fieldValue(pod, path, facts)).toBe(expected);
});

test('values of maps are quoted as Go quotes them', () => {
  expect(formatMap(pod.metadata.annotations)).toBe('example.com/Note="two\\n\\"lines\\""\nplain="x"');
  expect(formatMap(undefined)).toBe('');
});

test.each(['spec.containers', 'status.phase', "spec.nodeName['x']", "metadata.labels['not a key']", ''])('%j is refused', (path) => {
  expect(() => fieldValue(pod, path, facts)).toThrow(/fieldPath|subscript/);
});

test('only the pod addresses have to be waited for', () => {
  expect(['status.podIP', 'status.podIPs', 'status.hostIP', 'metadata.name'].filter(needsPodIPs)).toEqual([
    'status.podIP',
    'status.podIPs',
  ]);
});

test.each([
  [{ resource: 'limits.cpu' }, '2'],
  [{ resource: 'limits.cpu', divisor: '1m' }, '1500'],
  [{ resource: 'limits.memory', divisor: '1Mi' }, '64'],
  [{ resource: 'limits.memory', divisor: '0' }, '67108864'],
  [{ resource: 'limits.hugepages-2Mi' }, '4194304'],
  [{ resource: 'requests.cpu', divisor: '1m' }, '250'],
  [{ resource: 'requests.memory' }, '0'],
  [{ resource: 'limits.ephemeral-storage', divisor: '1Gi' }, '100'],
  [{ resource: 'limits.cpu', containerName: 'other' }, '4'],
  [{ resource: 'requests.memory', containerName: 'other', divisor: '3Mi' }, '342'],
  [{ resource: 'limits.cpu', containerName: 'setup' }, '3'],
])('%j is %s', (selector, expected) => {
  expect(resourceFieldValue(pod, selector, main, allocatable)).toBe(expected);
});

test('a resource or container that does not exist is named', () => {
  expect(() => resourceFieldValue(pod, { resource: 'limits.gpu' }, main, allocatable)).toThrow(
    'unsupported container resource : limits.gpu',
  );
  expect(() => resourceFieldValue(pod, { resource: 'limits.cpu', containerName: 'nobody' }, main, allocatable)).toThrow(
    'container nobody not found',
  );
  expect(() => resourceFieldValue(pod, { resource: 'limits.cpu' }, undefined, allocatable)).toThrow('containerName');
});
