import { expect, test } from 'vitest';
import { median, percentile, spreadOf } from './statistics.ts';

test('the median does not depend on the order of the values', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('a percentile lies between its neighbours in proportion', () => {
  expect(percentile([0, 10], 90)).toBe(9);
  expect(percentile([10, 20, 30, 40, 50], 90)).toBe(46);
});

test('a single value is every percentile', () => {
  expect(spreadOf([7])).toEqual({ count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
});

test('values are compared as numbers', () => {
  expect(percentile([10, 9, 100], 100)).toBe(100);
});

test('no values have no percentile', () => {
  expect(() => median([])).toThrow(RangeError);
});
