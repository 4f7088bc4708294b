import { expect, test } from 'vitest';
import { containerReference, nodeReference, podReference } from './object-reference.ts';
import type { Pod } from './types.ts';

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u-1', resourceVersion: '7' },
  spec: { containers: [{ name: 'app' }], initContainers: [{ name: 'setup' }], ephemeralContainers: [{ name: 'debug' }] },
};

test('a pod is referred to with its identity and version', () => {
  expect(podReference(pod)).toEqual({ apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u-1', resourceVersion: '7' });
});

test.each([
  ['app', 'spec.containers{app}'],
  ['setup', 'spec.initContainers{setup}'],
  ['debug', 'spec.ephemeralContainers{debug}'],
  ['POD', 'implicitly required container POD'],
])('container %s is the field %s', (name, fieldPath) => {
  expect(containerReference(pod, name).fieldPath).toBe(fieldPath);
});

test('a node has no namespace', () => {
  expect(nodeReference('node-1', 'u-2')).toEqual({ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u-2' });
  expect(nodeReference('node-1')).not.toHaveProperty('uid');
});
