import { expect, test } from 'vitest';
import type { ContainerSpec, Pod, PodSpec, ResourceRequirements } from '../api/types.ts';
import { computeQosClass, oomScoreAdjOf, qosClassOf } from './qos.ts';

const GI = 1024 ** 3;
const CAPACITY = 10 * GI;

function pod(containers: ResourceRequirements[], spec: Partial<PodSpec> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: containers.map((resources, index): ContainerSpec => ({ name: `c${index}`, resources })), ...spec },
  };
}

const none: ResourceRequirements = {};
const equal: ResourceRequirements = { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1000m', memory: '1024Mi' } };
const half: ResourceRequirements = { requests: { memory: '1Gi' } };

test.each<[string, Pod, string]>([
  ['nothing asked for', pod([none, none]), 'BestEffort'],
  ['zeros asked for', pod([{ requests: { cpu: '0' }, limits: { memory: '0' } }]), 'BestEffort'],
  ['other resources only', pod([{ limits: { 'example.com/x': '1' } }]), 'BestEffort'],
  ['requests equal to limits', pod([equal, equal]), 'Guaranteed'],
  ['CPU alone, equal', pod([{ requests: { cpu: '1' }, limits: { cpu: '1' } }]), 'Burstable'],
  ['requests without limits', pod([half]), 'Burstable'],
  ['one container without any', pod([equal, none]), 'Burstable'],
  ['an init container without any', pod([equal], { initContainers: [{ name: 'i' }] }), 'Burstable'],
  ['equal resources of the pod itself', pod([none, half], { resources: equal }), 'Guaranteed'],
  ['unequal resources of the pod itself', pod([equal], { resources: half }), 'Burstable'],
])('%s is %s', (_, given, expected) => {
  expect(computeQosClass(given)).toBe(expected);
});

test('the class in the status wins', () => {
  expect(qosClassOf({ ...pod([none]), status: { qosClass: 'Guaranteed' } })).toBe('Guaranteed');
});

function score(given: Pod, index = 0): number {
  const container = given.spec.containers[index];
  if (container === undefined) throw new Error('no container');
  return oomScoreAdjOf(given, container, CAPACITY);
}

test.each<[string, Pod, number]>([
  ['Guaranteed', pod([equal]), -997],
  ['BestEffort', pod([none]), 1000],
  ['a tenth of the memory', pod([half]), 900],
  ['almost no memory', pod([{ requests: { memory: '1' } }]), 999],
  ['all of the memory', pod([{ requests: { memory: '10Gi' } }]), 3],
  ['node critical', pod([none], { priority: 2_000_001_000, priorityClassName: 'system-node-critical' }), -997],
  ['cluster critical', pod([none], { priority: 2_000_000_000, priorityClassName: 'system-cluster-critical' }), 1000],
  ['half of what the pod requests beyond its containers', pod([half, none], { resources: { requests: { memory: '3Gi' } } }), 800],
])('oom_score_adj: %s', (_, given, expected) => {
  expect(score(given)).toBe(expected);
});

test('a sidecar is not killed before the smallest container that it serves', () => {
  const sidecar: ContainerSpec = { name: 's', restartPolicy: 'Always', resources: { requests: { memory: '1Mi' } } };
  const given = pod([{ requests: { memory: '5Gi' } }, { requests: { memory: '2Gi' } }], { initContainers: [sidecar] });
  expect(oomScoreAdjOf(given, sidecar, CAPACITY)).toBe(800);
});
