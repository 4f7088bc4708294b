import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod, ResourceRequirements } from '../../api/types.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { CgroupHierarchy } from './hierarchy.ts';
import { agreedCgroupDriver, PodCgroups, type PodCgroupDeps, type PodCgroupSettings } from './pod-cgroups.ts';

const signal = new AbortController().signal;
const settings: PodCgroupSettings = {
  cgroupsPerQos: true,
  cgroupRoot: '',
  podPidsLimit: 50,
  cpuCfsQuota: true,
  cpuCfsQuotaPeriodMs: 100,
  swapBehavior: '',
  nodeLimits: { cpuShares: 4096, memoryBytes: 1000 },
};

let root = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'shorelet-cgroup-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Plain directories in place of cgroup mounts: files that a kernel would show are made by the writes. */
async function hierarchy(version: 1 | 2): Promise<CgroupHierarchy> {
  const names = version === 1 ? ['cpu', 'memory', 'pids'] : [''];
  for (const name of [...names, 'systemd']) await mkdir(path.join(root, name), { recursive: true });
  const controllers = new Map(['cpu', 'memory', 'pids'].map((name) => [name, path.join(root, version === 1 ? name : '')]));
  return { version, controllers, mounts: version === 1 ? [...names, 'systemd'].map((name) => path.join(root, name)) : [root] };
}

async function create(options: Partial<PodCgroupDeps> & { readonly version?: 1 | 2 } = {}) {
  const commands: string[][] = [];
  const cgroups = new PodCgroups({
    settings,
    facts: {
      memoryBytes: 1024 ** 3,
      swapBytes: 0,
      cgroupVersion: options.version ?? 1,
      swapController: false,
      hugePageSizes: [],
      oomScoreAdjFloor: 0,
    },
    hierarchy: await hierarchy(options.version ?? 1),
    writable: true,
    driver: async () => 'cgroupfs',
    runCommand: async (_program, args) => void commands.push([...args]),
    clock: new FakeClock(),
    log: silentLogger,
    ...options,
  });
  return { cgroups, commands };
}

function pod(uid: string, resources: ResourceRequirements): Pod {
  return { metadata: { name: uid, namespace: 'n', uid }, spec: { containers: [{ name: 'c', resources }] } };
}

const burstable: ResourceRequirements = { requests: { cpu: '500m' } };
const guaranteed: ResourceRequirements = { requests: { cpu: '1', memory: '1Mi' }, limits: { cpu: '1', memory: '1Mi' } };
const read = (...parts: string[]): Promise<string> => readFile(path.join(root, ...parts), 'utf8');

/** What the kernel does by itself: a cgroup's files do not keep it from being removed. */
async function dropFiles(): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await rm(path.join(entry.parentPath, entry.name));
}

test.each<[string, ResourceRequirements, string]>([
  ['Guaranteed', guaranteed, '/kubepods/pod-a'],
  ['Burstable', burstable, '/kubepods/burstable/pod-a'],
  ['BestEffort', {}, '/kubepods/besteffort/pod-a'],
])('a %s pod lives below its class', async (_, resources, parent) => {
  const { cgroups } = await create();
  expect(await cgroups.ensurePodCgroup(pod('-a', resources), signal)).toBe(parent);
  expect(await read('pids', parent, 'pids.max')).toBe('50');
});

test('limits are written to the files of v1', async () => {
  const { cgroups } = await create();
  const parent = await cgroups.ensurePodCgroup(pod('a', guaranteed), signal);
  expect(await Promise.all(['cpu.shares', 'cpu.cfs_period_us', 'cpu.cfs_quota_us'].map((file) => read('cpu', parent, file)))).toEqual([
    '1024',
    '100000',
    '100000',
  ]);
  expect(await read('memory', parent, 'memory.limit_in_bytes')).toBe('1048576');
  expect(await read('memory', 'kubepods/memory.limit_in_bytes')).toBe('1000');
});

test('limits are written to the files of v2, and controllers passed down', async () => {
  const { cgroups } = await create({ version: 2 });
  const parent = await cgroups.ensurePodCgroup(pod('a', guaranteed), signal);
  expect(await read(parent, 'cpu.weight')).toBe('39');
  expect(await read(parent, 'cpu.max')).toBe('100000 100000');
  expect(await read(parent, 'memory.max')).toBe('1048576');
  expect(await read('kubepods/cgroup.subtree_control')).toBe('+pids');
});

test('the shares of the burstable class are those of its pods together', async () => {
  const { cgroups } = await create();
  await Promise.all(['a', 'b', 'c'].map((uid) => cgroups.ensurePodCgroup(pod(uid, burstable), signal)));
  await cgroups.ensurePodCgroup(pod('d', guaranteed), signal);
  expect(await read('cpu/kubepods/burstable/cpu.shares')).toBe('1536');
  await dropFiles();
  await cgroups.removePodCgroup('b', signal);
  expect(await read('cpu/kubepods/burstable/cpu.shares')).toBe('1024');
});

test('limits that have not changed are not written again, those that have are', async () => {
  const { cgroups } = await create();
  const parent = await cgroups.ensurePodCgroup(pod('a', guaranteed), signal);
  await dropFiles();
  await cgroups.ensurePodCgroup(pod('a', guaranteed), signal);
  expect(await readdir(path.join(root, 'cpu', parent))).toEqual([]);
  await cgroups.ensurePodCgroup(pod('a', { requests: { cpu: '2', memory: '1Mi' }, limits: { cpu: '2', memory: '1Mi' } }), signal);
  expect(await read('cpu', parent, 'cpu.shares')).toBe('2048');
});

test('a removed cgroup is gone from every hierarchy with all below it, others stay', async () => {
  const { cgroups } = await create();
  const parent = await cgroups.ensurePodCgroup(pod('a', {}), signal);
  const other = await cgroups.ensurePodCgroup(pod('b', {}), signal);
  for (const mount of ['cpu', 'systemd']) await mkdir(path.join(root, mount, parent, 'container'), { recursive: true });
  await dropFiles();
  await cgroups.removePodCgroup('a', signal);
  for (const mount of ['cpu', 'memory', 'pids', 'systemd']) {
    await expect(readdir(path.join(root, mount, parent))).rejects.toThrow('ENOENT');
  }
  expect(await readdir(path.join(root, 'cpu', other))).toEqual([]);
});

test('a pod of an earlier life is found by its UID alone, and one that has no cgroup is success', async () => {
  const { cgroups } = await create();
  await mkdir(path.join(root, 'cpu/kubepods/besteffort/podold'), { recursive: true });
  await cgroups.removePodCgroup('old', signal);
  await cgroups.removePodCgroup('never', signal);
  expect((await readdir(path.join(root, 'cpu/kubepods/besteffort'))).filter((name) => name.startsWith('pod'))).toEqual([]);
});

test('the shared cgroups go when no pod is left', async () => {
  const { cgroups } = await create();
  await cgroups.ensurePodCgroup(pod('a', {}), signal);
  await dropFiles();
  await cgroups.removeIfEmpty(signal);
  expect(await readdir(path.join(root, 'cpu/kubepods'))).toEqual(['besteffort']);
  await cgroups.removePodCgroup('a', signal);
  await dropFiles();
  await cgroups.removeIfEmpty(signal);
  expect(await readdir(path.join(root, 'cpu'))).toEqual([]);
});

test.each<[string, Partial<PodCgroupDeps>, string]>([
  ['nothing can be written', { writable: false }, ''],
  ['nothing is mounted', { hierarchy: undefined }, ''],
  ['they are switched off', { settings: { ...settings, cgroupsPerQos: false } }, ''],
  ['they are switched off below a root', { settings: { ...settings, cgroupsPerQos: false, cgroupRoot: '/x/y' } }, '/x/y'],
])('where %s pods have no cgroup of their own', async (_, options, parent) => {
  const { cgroups } = await create(options);
  expect(await cgroups.ensurePodCgroup(pod('a', {}), signal)).toBe(parent);
  await cgroups.removePodCgroup('a', signal);
  expect(await readdir(path.join(root, 'cpu'))).toEqual([]);
});

test('with systemd the pod has a slice, started before its limits are written and stopped before it is removed', async () => {
  const { cgroups, commands } = await create({ driver: async () => 'systemd', settings: { ...settings, cgroupRoot: '/my-root' } });
  expect(await cgroups.ensurePodCgroup(pod('1-2', burstable), signal)).toBe('my_root-kubepods-burstable-pod1_2.slice');
  const directory = 'cpu/my_root.slice/my_root-kubepods.slice/my_root-kubepods-burstable.slice/my_root-kubepods-burstable-pod1_2.slice';
  expect(await read(directory, 'cpu.shares')).toBe('512');
  const starts = commands.filter((args) => args.includes('StartTransientUnit'));
  expect(starts.map((args) => args[9])).toEqual([
    'my_root-kubepods.slice',
    'my_root-kubepods-burstable.slice',
    'my_root-kubepods-besteffort.slice',
    'my_root-kubepods-burstable-pod1_2.slice',
    'my_root-kubepods-burstable.slice',
  ]);
  expect(starts[3]).toEqual(expect.arrayContaining(['CPUShares', 't', '512', 'TasksMax', '50', 'my_root-kubepods-burstable.slice']));
  await dropFiles();
  await cgroups.removePodCgroup('1-2', signal);
  expect(commands.some((args) => args.includes('StopUnit') && args.includes('my_root-kubepods-burstable-pod1_2.slice'))).toBe(true);
});

test('a configured driver must be the engine’s', () => {
  expect([agreedCgroupDriver('', 'systemd'), agreedCgroupDriver('cgroupfs', 'cgroupfs')]).toEqual(['systemd', 'cgroupfs']);
  expect(() => agreedCgroupDriver('systemd', 'cgroupfs')).toThrow('cgroupDriver is "systemd" but the container engine uses "cgroupfs"');
});
