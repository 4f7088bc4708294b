import { expect, test } from 'vitest';
import { goDuration, parseGoDuration } from './go-duration.ts';

test.each([
  [0, '0s'],
  [500, '500ms'],
  [1500, '1.5s'],
  [10_000, '10s'],
  [80_000, '1m20s'],
  [300_000, '5m0s'],
  [3_600_000, '1h0m0s'],
])('%i ms is %s', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
  expect(parseGoDuration(text)).toBe(ms);
});

test.each(['', '10', 's', '-1s', '1d', '10 s'])('%j is no duration', (text) => {
  expect(parseGoDuration(text)).toBeUndefined();
});
