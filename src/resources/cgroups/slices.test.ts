import { expect, test } from 'vitest';
import { UnavailableError } from '../../lib/errors.ts';
import { cgroupParent, cgroupPath, parseCgroupPath } from './names.ts';
import { Slices, sliceProperties } from './slices.ts';

const signal = new AbortController().signal;

test.each([
  ['', '/', '/'],
  ['/', '/', '/'],
  ['/a', '/a', '/a.slice'],
  ['/kubepods/burstable/pod1-2', '/kubepods/burstable/pod1-2', '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice'],
])('%j is %s with cgroupfs and %s with systemd', (text, cgroupfs, systemd) => {
  const name = parseCgroupPath(text);
  expect([cgroupPath(name, 'cgroupfs'), cgroupPath(name, 'systemd')]).toEqual([cgroupfs, systemd]);
});

test('the root as a parent is the engine’s own', () => {
  expect([cgroupParent([], 'cgroupfs'), cgroupParent(['a'], 'systemd')]).toEqual(['', 'a.slice']);
});

test.each([
  [
    1 as const,
    { cpuShares: 512, memoryBytes: 5 },
    [
      ['CPUShares', 't', '512'],
      ['MemoryLimit', 't', '5'],
    ],
  ],
  [
    2 as const,
    { cpuShares: 1024, memoryBytes: 0, swapBytes: 0 },
    [
      ['CPUWeight', 't', '39'],
      ['MemoryMax', 't', '18446744073709551615'],
      ['MemorySwapMax', 't', '0'],
    ],
  ],
  [
    2 as const,
    { cpuQuotaUs: 12_345, cpuPeriodUs: 100_000, pids: 7 },
    [
      ['CPUQuotaPerSecUSec', 't', '130000'],
      ['TasksMax', 't', '7'],
    ],
  ],
  [1 as const, { cpuQuotaUs: -1 }, [['CPUQuotaPerSecUSec', 't', '18446744073709551615']]],
])('properties on v%d of %j', (version, limits, expected) => {
  expect(sliceProperties(limits, version)).toEqual(expected);
});

function slices(failures: readonly string[]) {
  const commands: string[][] = [];
  const left = [...failures];
  const run = async (_program: string, args: readonly string[]): Promise<void> => {
    commands.push([...args]);
    const failure = left.shift();
    if (failure !== undefined) throw new UnavailableError(failure);
  };
  return { commands, slices: new Slices(run, 2) };
}

test('the call has as many properties as it says', async () => {
  const { commands, slices: given } = slices([]);
  await given.ensure('a-b.slice', 'a.slice', { cpuShares: 2 }, signal);
  const [args = []] = commands;
  expect(args.slice(0, 12)).toEqual([
    '--system',
    '--quiet',
    'call',
    '--',
    'org.freedesktop.systemd1',
    '/org/freedesktop/systemd1',
    'org.freedesktop.systemd1.Manager',
    'StartTransientUnit',
    'ssa(sv)a(sa(sv))',
    'a-b.slice',
    'replace',
    '8',
  ]);
  expect(args.slice(12)).toEqual([
    'Description',
    's',
    'Kubernetes a-b.slice',
    'Wants',
    'as',
    '1',
    'a.slice',
    'DefaultDependencies',
    'b',
    'false',
    'MemoryAccounting',
    'b',
    'true',
    'CPUAccounting',
    'b',
    'true',
    'IOAccounting',
    'b',
    'true',
    'TasksAccounting',
    'b',
    'true',
    'CPUWeight',
    't',
    '1',
    '0',
  ]);
});

test('a slice that runs gets its properties set', async () => {
  const { commands, slices: given } = slices(['Call failed: Unit a.slice already exists.']);
  await given.ensure('a.slice', '-.slice', { pids: 3 }, signal);
  expect(commands[1]?.slice(7)).toEqual(['SetUnitProperties', 'sba(sv)', 'a.slice', 'true', '1', 'TasksMax', 't', '3']);
});

test('a slice that systemd does not know is stopped already; another failure is one', async () => {
  await slices(['Unit a.slice not loaded.']).slices.stop('a.slice', signal);
  await expect(slices(['Connection refused']).slices.stop('a.slice', signal)).rejects.toThrow('Connection refused');
});
