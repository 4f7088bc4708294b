import { expect, test } from 'vitest';
import { parseQuantity } from '../api/quantity.ts';
import { nodeCgroupLimits, nodeResources, type AllocatableSettings } from './allocatable.ts';
import { hugePageLimits, hugePageResource, hugePageSizeName } from './huge-pages.ts';
import type { MachineFacts } from './machine.ts';
import { parseResources } from './pod-resources.ts';

const GI = 1024 ** 3;
const machine: MachineFacts = {
  cpuCount: 4,
  memoryBytes: 8 * GI,
  swapBytes: 0,
  hugePages: [{ pageSize: 2 * 1024 ** 2, count: 512 }],
  machineId: '',
  systemUuid: '',
  bootId: '',
  kernelVersion: '',
  osImage: '',
  architecture: 'amd64',
  operatingSystem: 'linux',
};
const settings: AllocatableSettings = {
  maxPods: 110,
  podsPerCore: 0,
  systemReserved: {},
  kubeReserved: {},
  evictionHard: {},
  ephemeralStorage: true,
  capacity: {},
};
const q = parseQuantity;

test('without reservations everything is allocatable but the memory in huge pages', () => {
  expect(nodeResources(machine, 100 * GI, settings)).toEqual({
    capacity: { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi', 'hugepages-2Mi': '1Gi' },
    allocatable: { cpu: '4', memory: '7Gi', pods: '110', 'ephemeral-storage': '100Gi', 'hugepages-2Mi': '1Gi' },
  });
});

test('reservations and hard eviction thresholds are taken off', () => {
  const { allocatable } = nodeResources({ ...machine, hugePages: [] }, 100 * GI, {
    ...settings,
    systemReserved: { cpu: q('500m'), memory: q('1Gi') },
    kubeReserved: { cpu: q('100m'), 'ephemeral-storage': q('10Gi') },
    evictionHard: {
      'memory.available': { quantity: q('512Mi') },
      'nodefs.available': { percentage: 0.1 },
      'imagefs.available': { percentage: 0.5 },
    },
  });
  expect(allocatable).toEqual({ cpu: '3400m', memory: '6656Mi', pods: '110', 'ephemeral-storage': '80Gi' });
});

test('what is reserved beyond the capacity leaves nothing, not less', () => {
  expect(nodeResources(machine, undefined, { ...settings, systemReserved: { cpu: q('9'), memory: q('99Gi') } }).allocatable).toMatchObject({
    cpu: '0',
    memory: '0',
  });
});

test.each<[string, Partial<AllocatableSettings>, string]>([
  ['ten pods a core', { podsPerCore: 10 }, '40'],
  ['more a core than the maximum', { podsPerCore: 100 }, '110'],
  ['a capacity of one’s own', { capacity: { pods: q('7') } }, '7'],
])('with %s there is room for as many pods', (_, changes, pods) => {
  expect(nodeResources(machine, GI, { ...settings, ...changes }).capacity['pods']).toBe(pods);
});

test('storage is not reported when it is not counted, or cannot be told', () => {
  expect(nodeResources(machine, GI, { ...settings, ephemeralStorage: false }).capacity).not.toHaveProperty('ephemeral-storage');
  expect(nodeResources(machine, undefined, settings).capacity).not.toHaveProperty('ephemeral-storage');
});

test('all pods together are limited to the capacity, less the reservations when they are enforced', () => {
  const reserved = { ...settings, systemReserved: { cpu: q('1'), memory: q('1Gi') } };
  const resources = nodeResources(machine, GI, reserved);
  expect(nodeCgroupLimits(resources, reserved, false)).toEqual({ cpuShares: 4096, memoryBytes: 8 * GI });
  expect(nodeCgroupLimits(resources, reserved, true)).toEqual({ cpuShares: 3072, memoryBytes: 7 * GI });
});

test('huge page sizes have their names', () => {
  expect([2 * 1024 ** 2, GI, 64 * 1024].map(hugePageSizeName)).toEqual(['2MB', '1GB', '64KB']);
  expect(hugePageResource(GI)).toBe('hugepages-1Gi');
  expect(hugePageLimits(parseResources({ 'hugepages-2Mi': '4Mi', cpu: '1', 'hugepages-x': '1' }))).toEqual(
    new Map([[2 * 1024 ** 2, 4 * 1024 ** 2]]),
  );
});
