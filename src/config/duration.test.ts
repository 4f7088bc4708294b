import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

test.each([
  ['10s', 10_000],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['.5s', 500],
  ['100us', 0.1],
  ['-2m', -120_000],
  ['0', 0],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9);
});

test.each(['', '10', '1d', 's', '1m30', '1 s', '10S', 'ten', '9'.repeat(100)])('%j is refused', (text) => {
  expect(() => parseDuration(text)).toThrow('is not a duration');
});

test.each([
  [0, '0s'],
  [10_000, '10s'],
  [90_000, '1m30s'],
  [60_000, '1m0s'],
  [14_400_000, '4h0m0s'],
  [250, '250ms'],
  [0.5, '500us'],
  [-1500, '-1.5s'],
])('%d ms are written as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
  expect(parseDuration(text)).toBeCloseTo(ms, 9);
});
