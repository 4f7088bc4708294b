import { expect, test } from 'vitest';
import type { ContainerSpec, Pod, PodSpec } from '../api/types.ts';
import { formatQuantity } from '../api/quantity.ts';
import { podLimits, podRequests, type Resources } from './pod-resources.ts';

function pod(spec: Partial<PodSpec>): Pod {
  return { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [], ...spec } };
}

function container(name: string, requests: Record<string, string>, rest: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name, resources: { requests, limits: requests }, ...rest };
}

function plain(resources: Resources): Record<string, string> {
  return Object.fromEntries([...resources].map(([name, amount]) => [name, formatQuantity(amount)]));
}

test('containers add up', () => {
  expect(plain(podRequests(pod({ containers: [container('a', { cpu: '100m', memory: '1Gi' }), container('b', { cpu: '0.2' })] })))).toEqual(
    { cpu: '300m', memory: '1Gi' },
  );
});

test('an init container counts alone, if it needs more than the containers', () => {
  const containers = [container('a', { cpu: '100m', memory: '2Gi' })];
  expect(
    plain(podRequests(pod({ containers, initContainers: [container('i', { cpu: '1', memory: '1Gi' }), container('j', { cpu: '2' })] }))),
  ).toEqual({ cpu: '2', memory: '2Gi' });
});

test('a sidecar counts with the containers, and with the init containers after it', () => {
  const sidecar = container('s', { cpu: '500m' }, { restartPolicy: 'Always' });
  const initContainers = [container('before', { cpu: '1' }), sidecar, container('after', { cpu: '1' })];
  expect(plain(podRequests(pod({ containers: [container('a', { cpu: '100m' })], initContainers })))).toEqual({ cpu: '1500m' });
  expect(plain(podRequests(pod({ containers: [container('a', { cpu: '2' })], initContainers })))).toEqual({ cpu: '2500m' });
});

test('the pod’s own resources replace the sum, for the resources that may stand there', () => {
  const spec = {
    containers: [container('a', { cpu: '1', 'example.com/x': '1' })],
    resources: { requests: { cpu: '3', 'example.com/x': '9' } },
  };
  expect(plain(podRequests(pod(spec)))).toEqual({ cpu: '3', 'example.com/x': '1' });
});

test('overhead is added to requests, and to limits that there are', () => {
  const spec = { containers: [container('a', { cpu: '1' })], overhead: { cpu: '100m', memory: '64Mi' } };
  expect(plain(podRequests(pod(spec)))).toEqual({ cpu: '1100m', memory: '64Mi' });
  expect(plain(podLimits(pod(spec)))).toEqual({ cpu: '1100m' });
});
