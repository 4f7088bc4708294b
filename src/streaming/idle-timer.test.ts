import { expect, test, vi } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { IdleTimer } from './idle-timer.ts';

test('it fires once, a whole limit after the last touch', async () => {
  const clock = new FakeClock();
  const onIdle = vi.fn();
  const timer = new IdleTimer(clock, 1000, onIdle);
  await clock.advance(700);
  timer.touch();
  await clock.advance(999);
  expect(onIdle).not.toHaveBeenCalled();
  await clock.advance(1);
  await clock.advance(5000);
  expect(onIdle).toHaveBeenCalledTimes(1);
});

test('cancelled, it never fires', async () => {
  const clock = new FakeClock();
  const onIdle = vi.fn();
  new IdleTimer(clock, 1000, onIdle).cancel();
  await clock.advance(5000);
  expect(onIdle).not.toHaveBeenCalled();
  expect(clock.pendingTimers).toBe(0);
});

test('a limit of 0 is none', async () => {
  const clock = new FakeClock();
  const onIdle = vi.fn();
  new IdleTimer(clock, 0, onIdle);
  await clock.advance(365 * 24 * 3_600_000);
  expect(onIdle).not.toHaveBeenCalled();
});
