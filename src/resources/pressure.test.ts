import { expect, test } from 'vitest';
import { parseQuantity } from '../api/quantity.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { crossedThresholds, PressureMonitor } from './pressure.ts';

const MI = 1024 ** 2;
const thresholds = {
  'memory.available': { quantity: parseQuantity('100Mi') },
  'nodefs.available': { percentage: 0.1 },
  'imagefs.inodesFree': { percentage: 0.05 },
  'pid.available': { percentage: 0 },
};

test.each<[string, number, number, string[]]>([
  ['memory.available', 100 * MI, 1000 * MI, []],
  ['memory.available', 100 * MI - 1, 1000 * MI, ['MemoryPressure']],
  ['nodefs.available', 99, 1000, ['DiskPressure']],
  ['nodefs.available', 100, 1000, []],
  ['imagefs.inodesFree', 49, 1000, ['DiskPressure']],
  ['pid.available', 0, 1000, []],
  ['containerfs.available', 0, 1000, []],
])('%s at %d of %d: %j', (signal, available, capacity, expected) => {
  expect(crossedThresholds(thresholds, new Map([[signal, { available, capacity }]])).map(({ pressure }) => pressure)).toEqual(expected);
});

test('pressure is reported until the transition period has passed without it', async () => {
  const clock = new FakeClock();
  const monitor = new PressureMonitor({ thresholds, transitionPeriodMs: 300_000 }, clock);
  const low = new Map([['nodefs.available', { available: 1, capacity: 1000 }]]);
  expect(monitor.observe(low)).toEqual([{ signal: 'nodefs.available', pressure: 'DiskPressure', available: 1, threshold: '10%' }]);
  await clock.advance(200_000);
  monitor.observe(low);
  await clock.advance(299_999);
  expect([monitor.observe(new Map()), monitor.isUnder('DiskPressure'), monitor.isUnder('MemoryPressure')]).toEqual([[], true, false]);
  await clock.advance(1);
  expect(monitor.isUnder('DiskPressure')).toBe(false);
});
