import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import type { RuntimeStatus } from '../runtime/types.ts';
import { RuntimeHealth } from './runtime-health.ts';

const condition = (type: string, status: boolean) => ({ type, status, reason: status ? '' : 'Broken', message: status ? '' : 'because' });
const status = (runtime: boolean, network: boolean): RuntimeStatus => ({
  conditions: [condition('RuntimeReady', runtime), condition('NetworkReady', network)],
  runtimeHandlers: [
    { name: 'b', features: { recursiveReadOnlyMounts: false, userNamespaces: false } },
    { name: '', features: { recursiveReadOnlyMounts: true, userNamespaces: false } },
  ],
  features: { supplementalGroupsPolicy: true },
});

test('before the first answer nothing is known', () => {
  expect(new RuntimeHealth(new FakeClock()).errors()).toEqual([
    'container runtime status check may not have completed yet',
    'network state unknown',
  ]);
});

test('a ready runtime and network leave no error, and handlers have a stable order', () => {
  const health = new RuntimeHealth(new FakeClock());
  health.answered(status(true, true));
  expect(health.errors()).toEqual([]);
  expect(health.handlers.map(({ name }) => name)).toEqual(['', 'b']);
});

test('conditions that are not met are quoted as the kubelet does', () => {
  const health = new RuntimeHealth(new FakeClock());
  health.answered(status(true, false));
  expect(health.errors()).toEqual(['container runtime network not ready: NetworkReady=false reason:Broken message:because']);
  health.answered(status(false, true));
  expect(health.errors()).toEqual(['container runtime not ready: RuntimeReady=false reason:Broken message:because']);
});

test('silence is tolerated for thirty seconds', async () => {
  const clock = new FakeClock();
  const health = new RuntimeHealth(clock);
  health.answered(status(true, true));
  await clock.advance(29_999);
  expect(health.errors()).toEqual([]);
  await clock.advance(1);
  expect(health.errors()).toEqual(['container runtime is down']);
});
