import { expect, test } from 'vitest';
import type { Pod, PodSpec, ResourceRequirements } from '../api/types.ts';
import { linuxContainerResources, type ContainerResourceFacts, type ContainerResourceSettings } from './container-resources.ts';
import { podCgroupLimits } from './pod-limits.ts';

const GI = 1024 ** 3;
const settings: ContainerResourceSettings = { cpuCfsQuota: true, cpuCfsQuotaPeriodMs: 100, swapBehavior: '' };
const facts: ContainerResourceFacts = {
  memoryBytes: 8 * GI,
  swapBytes: 4 * GI,
  cgroupVersion: 1,
  swapController: false,
  hugePageSizes: [2 * 1024 ** 2],
  oomScoreAdjFloor: -1000,
};

function pod(resources: ResourceRequirements, spec: Partial<PodSpec> = {}): Pod {
  return { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [{ name: 'c', resources }], ...spec } };
}

function of(given: Pod, changes: { settings?: Partial<ContainerResourceSettings>; facts?: Partial<ContainerResourceFacts> } = {}) {
  const [container] = given.spec.containers;
  if (container === undefined) throw new Error('no container');
  return linuxContainerResources(given, container, { ...settings, ...changes.settings }, { ...facts, ...changes.facts });
}

test.each<[string, ResourceRequirements, object]>([
  ['nothing', {}, { cpuShares: 2, cpuQuota: 0, cpuPeriod: 100_000, oomScoreAdj: 1000 }],
  ['a request', { requests: { cpu: '250m' } }, { cpuShares: 256, cpuQuota: 0 }],
  ['a limit alone', { limits: { cpu: '500m' } }, { cpuShares: 512, cpuQuota: 50_000 }],
  ['a tiny limit', { limits: { cpu: '1m' } }, { cpuShares: 2, cpuQuota: 1000 }],
  ['a zero request beside a limit', { requests: { cpu: '0' }, limits: { cpu: '1' } }, { cpuShares: 2, cpuQuota: 100_000 }],
  ['more than the kernel takes', { requests: { cpu: '1000' } }, { cpuShares: 262_144 }],
  ['memory', { limits: { memory: '64Mi' } }, { memoryLimitInBytes: 64 * 1024 ** 2 }],
])('a container that asks for %s', (_, resources, expected) => {
  expect(of(pod(resources))).toMatchObject(expected);
});

test('what the container does not limit is limited by the pod', () => {
  const given = pod({ limits: { cpu: '100m' } }, { resources: { limits: { cpu: '1', memory: '1Gi' } } });
  expect(of(given)).toMatchObject({ cpuQuota: 10_000, memoryLimitInBytes: GI });
});

test('without quota enforcement there is no quota', () => {
  expect(of(pod({ limits: { cpu: '1' } }), { settings: { cpuCfsQuota: false } })).not.toHaveProperty('cpuQuota');
});

test('a host without CAP_SYS_RESOURCE raises the score to its floor', () => {
  const guaranteed = pod({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } });
  expect([of(guaranteed).oomScoreAdj, of(guaranteed, { facts: { oomScoreAdjFloor: 0 } }).oomScoreAdj]).toEqual([-997, 0]);
});

test('every huge page size of the machine has a limit, 0 unless asked for', () => {
  expect(of(pod({})).hugepageLimits).toEqual([{ pageSize: '2MB', limit: 0n }]);
  expect(of(pod({ limits: { 'hugepages-2Mi': '4Mi' } })).hugepageLimits).toEqual([{ pageSize: '2MB', limit: 4194304n }]);
});

test.each<[string, ResourceRequirements, Partial<ContainerResourceSettings>, Partial<ContainerResourceFacts>, object]>([
  ['not limited without the controller', { limits: { memory: '1Gi' } }, {}, {}, {}],
  ['none beside a memory limit', { limits: { memory: '1Gi' } }, {}, { swapController: true }, { memorySwapLimitInBytes: GI }],
  [
    'a share for Burstable with LimitedSwap on v2',
    { requests: { memory: '2Gi' }, limits: { memory: '4Gi' } },
    { swapBehavior: 'LimitedSwap' },
    { swapController: true, cgroupVersion: 2 },
    { memorySwapLimitInBytes: 5 * GI },
  ],
  [
    'a share without a memory limit',
    { requests: { memory: '2Gi' } },
    { swapBehavior: 'LimitedSwap' },
    { swapController: true, cgroupVersion: 2 },
    { unified: { 'memory.swap.max': String(GI) } },
  ],
  [
    'none on v1, whatever is asked for',
    { requests: { memory: '2Gi' }, limits: { memory: '4Gi' } },
    { swapBehavior: 'LimitedSwap' },
    { swapController: true },
    { memorySwapLimitInBytes: 4 * GI },
  ],
])('swap is %s', (_, resources, settingChanges, factChanges, expected) => {
  const { memorySwapLimitInBytes, unified } = of(pod(resources), { settings: settingChanges, facts: factChanges });
  expect({ memorySwapLimitInBytes, unified }).toEqual({ memorySwapLimitInBytes: undefined, unified: undefined, ...expected });
});

const podSettings = { ...settings, podPidsLimit: -1 };

test.each<[string, Pod, object]>([
  ['BestEffort', pod({}), { cpuShares: 2 }],
  [
    'Guaranteed',
    pod({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } }),
    { cpuShares: 1024, cpuQuotaUs: 100_000, cpuPeriodUs: 100_000, memoryBytes: GI },
  ],
  [
    'Burstable with limits',
    pod({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '1Gi' } }),
    { cpuShares: 512, cpuQuotaUs: 100_000, cpuPeriodUs: 100_000, memoryBytes: GI },
  ],
  [
    'Burstable, one container without limits',
    pod({ requests: { cpu: '500m' }, limits: { cpu: '1' } }, { initContainers: [{ name: 'i' }] }),
    { cpuShares: 512 },
  ],
  [
    'Burstable with limits of the pod itself',
    pod({}, { resources: { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } } }),
    { cpuShares: 2, memoryBytes: 2 * GI },
  ],
])('the cgroup of a pod that is %s', (_, given, expected) => {
  const { hugePages, ...limits } = podCgroupLimits(given, podSettings, facts);
  expect(limits).toEqual(expected);
  expect(hugePages).toEqual(new Map([[2 * 1024 ** 2, 0]]));
});

test('a process limit of the pod, and a quota that is not enforced', () => {
  const given = pod({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } });
  expect(podCgroupLimits(given, { ...podSettings, podPidsLimit: 100, cpuCfsQuota: false }, facts)).toMatchObject({
    pids: 100,
    cpuQuotaUs: -1,
  });
});
