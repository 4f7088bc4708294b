import { expect, test } from 'vitest';
import { isAllowedNodeLabel, isDnsSubdomain, isLabelValue, isQualifiedName } from './labels.ts';

test.each([
  ['rack', true],
  ['example.com/rack', true],
  ['example.com/a/b', false],
  ['/rack', false],
  ['-rack', false],
  ['Example.com/rack', false],
  ['a'.repeat(64), false],
  ['', false],
])('%j as a label key: %s', (key, expected) => {
  expect(isQualifiedName(key)).toBe(expected);
});

test.each([
  ['kubernetes.io/hostname', true],
  ['node.kubernetes.io/anything', true],
  ['sub.node.kubernetes.io/anything', true],
  ['node-role.kubernetes.io/worker', false],
  ['kubernetes.io/rack', false],
  ['x.k8s.io/rack', false],
  ['notkubernetes.io/rack', true],
  ['example.com/rack', true],
  ['rack', true],
])('a node giving itself %s: %s', (key, expected) => {
  expect(isAllowedNodeLabel(key)).toBe(expected);
});

test('values may be empty, and node names must be lower case', () => {
  expect(['', 'a_b.c-1', 'a b', '-a'].map(isLabelValue)).toEqual([true, true, false, false]);
  expect(['node-1', 'node-1.example', 'Node', 'a..b', ''].map(isDnsSubdomain)).toEqual([true, true, false, false, false]);
});
