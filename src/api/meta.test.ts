import { expect, test } from 'vitest';
import { formatMicroTime, formatTime, isBeingDeleted, namespacedName, parseTime } from './meta.ts';

test('an object with a namespace is named with it', () => {
  expect(namespacedName({ metadata: { namespace: 'kube-system', name: 'dns' } })).toBe('kube-system/dns');
  expect(namespacedName({ metadata: { name: 'node-1' } })).toBe('node-1');
});

test('times have whole seconds, micro times six decimals', () => {
  const moment = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
  expect(formatTime(moment)).toBe('2026-02-03T04:05:06Z');
  expect(formatMicroTime(moment)).toBe('2026-02-03T04:05:06.789000Z');
});

test('a time is read with any number of decimals, and nonsense is no time', () => {
  expect(parseTime('2026-02-03T04:05:06.123456Z')).toBe(Date.UTC(2026, 1, 3, 4, 5, 6, 123));
  expect(parseTime('2026-02-03T04:05:06Z')).toBe(Date.UTC(2026, 1, 3, 4, 5, 6));
  expect([parseTime(undefined), parseTime('soon')]).toEqual([undefined, undefined]);
});

test('an object is being deleted from the moment it has a deletion time', () => {
  expect(isBeingDeleted({ metadata: { name: 'a' } })).toBe(false);
  expect(isBeingDeleted({ metadata: { name: 'a', deletionTimestamp: '2026-02-03T04:05:06Z' } })).toBe(true);
});
