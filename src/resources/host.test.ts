import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseCgroupMounts, readHierarchy } from './cgroups/hierarchy.ts';
import { probeHost } from './host-capabilities.ts';
import { parseOsRelease, readMachineFacts } from './machine.ts';
import { readSignals } from './signals.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'shorelet-host-'));
});
afterEach(() => rm(root, { recursive: true }));

async function files(contents: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  }
}

const V1 =
  'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n';
const V2 = 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n';

test('machine facts come from /proc, /sys and /etc', async () => {
  await files({
    'proc/cpuinfo': 'processor\t: 0\nmodel: x\n\nprocessor\t: 1\n',
    'proc/meminfo': 'MemTotal:       1024 kB\nSwapTotal:      512 kB\n',
    'proc/sys/kernel/random/boot_id': 'boot\n',
    'etc/machine-id': 'id\n',
    'etc/os-release': 'NAME="X"\nPRETTY_NAME="X 1 (y)"\n',
    'sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages': '1\n',
    'sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages': '3\n',
  });
  expect(await readMachineFacts({ root })).toMatchObject({
    cpuCount: 2,
    memoryBytes: 1024 * 1024,
    swapBytes: 512 * 1024,
    machineId: 'id',
    systemUuid: 'id',
    bootId: 'boot',
    osImage: 'X 1 (y)',
    hugePages: [
      { pageSize: 2 * 1024 ** 2, count: 3 },
      { pageSize: 1024 ** 3, count: 1 },
    ],
  });
});

test('a machine that tells nothing still has facts', async () => {
  expect(await readMachineFacts({ root })).toMatchObject({ memoryBytes: 0, machineId: '', osImage: 'Linux', hugePages: [] });
  expect(parseOsRelease("PRETTY_NAME='A'\n")).toBe('A');
});

test('v1 hierarchies are found by controller, with every mount to clean up', async () => {
  await files({ 'proc/self/mounts': V1 });
  const hierarchy = await readHierarchy(root);
  expect(hierarchy?.version).toBe(1);
  expect(hierarchy?.controllers.get('cpu')).toBe(path.join(root, 'sys/fs/cgroup/cpu,cpuacct'));
  expect(hierarchy?.mounts).toHaveLength(4);
});

test('the unified hierarchy has the controllers of its root', async () => {
  await files({ 'proc/self/mounts': V2, 'sys/fs/cgroup/cgroup.controllers': 'cpu memory pids\n' });
  const hierarchy = await readHierarchy(root);
  expect([hierarchy?.version, [...(hierarchy?.controllers.keys() ?? [])]]).toEqual([2, ['cpu', 'memory', 'pids']]);
});

test('without cgroups there is no hierarchy', async () => {
  await files({ 'proc/self/mounts': 'proc /proc proc rw 0 0\n' });
  expect(await readHierarchy(root)).toBeUndefined();
  expect(parseCgroupMounts('')).toEqual([]);
});

test('capabilities are read from the effective set, and each lack is a sentence', async () => {
  await files({
    'proc/self/status': 'CapEff:\t000001fffeffffff\n',
    'proc/self/oom_score_adj': '-5\n',
    'proc/self/uid_map': '0 0 4294967295\n',
  });
  const host = await probeHost(undefined, 0, { root });
  expect(host).toMatchObject({
    root: true,
    mount: true,
    sysResource: false,
    oomScoreAdjFloor: -5,
    systemd: false,
    cgroupVersion: 0,
    inUserNamespace: false,
  });
  expect(host.limitations).toEqual([
    'Without CAP_SYS_RESOURCE containers get an oom_score_adj of at least -5',
    'No cgroups are mounted: pods have no cgroups of their own',
  ]);
});

test('a machine with everything has no limitations', async () => {
  await files({
    'proc/self/status': 'CapEff:\t000001ffffffffff\n',
    'proc/self/mounts': V2,
    'sys/fs/cgroup/cgroup.controllers': 'cpu memory pids\n',
    'sys/fs/cgroup/memory.swap.max': 'max',
    'run/systemd/system/x': '',
    'proc/self/uid_map': '0 100000 65536\n',
  });
  const host = await probeHost(await readHierarchy(root), 0, { root });
  expect(host).toMatchObject({
    oomScoreAdjFloor: -1000,
    systemd: true,
    cgroupsWritable: true,
    swapController: true,
    inUserNamespace: true,
    limitations: [],
  });
});

const noFs = async (): Promise<undefined> => undefined;

test('memory is what the root cgroup does not work with', async () => {
  await files({
    'proc/self/mounts': V1,
    'proc/meminfo': 'MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\n',
    'sys/fs/cgroup/memory/memory.usage_in_bytes': String(500 * 1024),
    'sys/fs/cgroup/memory/memory.stat': `total_inactive_file ${100 * 1024}\n`,
  });
  const signals = await readSignals({ nodeFs: noFs, imageFs: noFs, hierarchy: await readHierarchy(root) }, { root });
  expect(signals.get('memory.available')).toEqual({ available: 600 * 1024, capacity: 1000 * 1024 });
});

test('without a root cgroup the kernel’s own estimate is taken', async () => {
  await files({ 'proc/meminfo': 'MemTotal: 1000 kB\nMemAvailable: 700 kB\n' });
  const signals = await readSignals({ nodeFs: noFs, imageFs: noFs, hierarchy: undefined }, { root });
  expect(signals.get('memory.available')).toEqual({ available: 700 * 1024, capacity: 1000 * 1024 });
});

test('processes are counted against the smaller of the kernel’s limits', async () => {
  await files({
    'proc/sys/kernel/pid_max': '4194304\n',
    'proc/sys/kernel/threads-max': '1000\n',
    'proc/loadavg': '0.1 0.2 0.3 2/300 4711\n',
  });
  const signals = await readSignals({ nodeFs: noFs, imageFs: noFs, hierarchy: undefined }, { root });
  expect(signals.get('pid.available')).toEqual({ available: 700, capacity: 1000 });
});

test('file systems give space and, where they count them, inodes', async () => {
  const nodeFs = async () => ({ capacityBytes: 10, availableBytes: 5, inodes: 0, inodesFree: 0 });
  const imageFs = async () => ({ capacityBytes: 20, availableBytes: 8, inodes: 4, inodesFree: 3 });
  const signals = await readSignals({ nodeFs, imageFs, hierarchy: undefined }, { root });
  expect([...signals.keys()]).toEqual([
    'nodefs.available',
    'imagefs.available',
    'imagefs.inodesFree',
    'containerfs.available',
    'containerfs.inodesFree',
  ]);
  expect(signals.get('imagefs.inodesFree')).toEqual({ available: 3, capacity: 4 });
});
