import { expect, test } from 'vitest';
import { backoffDelay } from './backoff.ts';

const policy = { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 };

test('the delay doubles with each failure up to the maximum', () => {
  expect([1, 2, 3, 4, 5, 500].map((failures) => backoffDelay(policy, failures))).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test('jitter only ever shortens the delay, by at most its share', () => {
  const jittered = { ...policy, jitter: 0.5 };
  expect(backoffDelay(jittered, 1, () => 0)).toBe(100);
  expect(backoffDelay(jittered, 1, () => 0.999)).toBeCloseTo(50, 0);
});
