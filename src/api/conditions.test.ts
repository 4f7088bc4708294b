import { expect, test } from 'vitest';
import { findCondition, isConditionTrue, withCondition, type ConditionLike } from './conditions.ts';

const earlier = '2026-01-01T00:00:00Z';
const now = Date.UTC(2026, 0, 1, 1);
const ready: ConditionLike & { readonly reason?: string } = { type: 'Ready', status: 'True', lastTransitionTime: earlier };

test('the transition time moves only when the status does', () => {
  expect(withCondition([ready], { type: 'Ready', status: 'True', reason: 'Again' }, now)).toEqual([
    { type: 'Ready', status: 'True', reason: 'Again', lastTransitionTime: earlier },
  ]);
  expect(withCondition([ready], { type: 'Ready', status: 'False' }, now)[0]?.lastTransitionTime).toBe('2026-01-01T01:00:00Z');
});

test('a new type goes to the end and the others keep their places', () => {
  const foreign = { type: 'ExampleHealthy', status: 'Unknown' };
  const before = [foreign, ready];
  expect(withCondition(before, { type: 'DiskPressure', status: 'False' }, now).map((condition) => condition.type)).toEqual([
    'ExampleHealthy',
    'Ready',
    'DiskPressure',
  ]);
  expect(withCondition(before, { type: 'Ready', status: 'False' }, now)[0]).toBe(foreign);
  expect(before).toEqual([foreign, ready]);
});

test('an absent condition is not true', () => {
  expect(isConditionTrue(undefined, 'Ready')).toBe(false);
  expect(isConditionTrue([ready], 'Ready')).toBe(true);
  expect(findCondition([ready], 'Other')).toBeUndefined();
});
