import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { TokenBucket } from './rate-limiter.ts';

const never = new AbortController().signal;

test('a burst passes at once, then one token every 1/qps seconds, in order', async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ qps: 10, burst: 3 }, clock);
  const served: number[] = [];
  for (let index = 0; index < 6; index += 1) void bucket.take(never).then(() => served.push(index));
  await settle();
  expect(served).toEqual([0, 1, 2]);
  await clock.advance(100);
  expect(served).toEqual([0, 1, 2, 3]);
  await clock.advance(200);
  expect(served).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a bucket never holds more than its burst', async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ qps: 10, burst: 2 }, clock);
  await clock.advance(60_000);
  expect([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]).toEqual([true, true, false]);
});

test('who gives up waiting leaves its token to the next', async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket({ qps: 1, burst: 1 }, clock);
  await bucket.take(never);
  const controller = new AbortController();
  const given = bucket.take(controller.signal);
  controller.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  await clock.advance(1000);
  expect(bucket.tryTake()).toBe(true);
});
