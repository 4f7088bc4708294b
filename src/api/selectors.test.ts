import { expect, test } from 'vitest';
import {
  fieldSelector,
  matchesFields,
  matchesLabelSelector,
  matchesRequirement,
  parseFieldSelector,
  parseLabelSelector,
} from './selectors.ts';

const labels = { app: 'web', tier: 'front', cores: '8' };

test.each([
  ['app=web', true],
  ['app==web', true],
  ['app=db', false],
  ['app!=db', true],
  ['app!=web', false],
  ['missing!=x', true],
  ['tier in (back, front)', true],
  ['tier notin (back,front)', false],
  ['missing notin (a)', true],
  ['app', true],
  ['!app', false],
  ['! missing', true],
  ['cores>4', true],
  ['cores<8', false],
  ['app>4', false],
  ['app=web,tier in (front),!missing', true],
  ['', true],
  ['toString', false],
])('the selector %j is %s for the labels', (text, expected) => {
  expect(parseLabelSelector(text).every((requirement) => matchesRequirement(requirement, labels))).toBe(expected);
});

test.each(['=web', 'app in web', 'a b', 'app=(x'])('the label selector %j is refused', (text) => {
  expect(() => parseLabelSelector(text)).toThrow(/not a label selector/);
});

test('a selector object needs all its labels and expressions; empty matches all, absent none', () => {
  const selector = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] };
  expect(matchesLabelSelector(selector, labels)).toBe(true);
  expect(matchesLabelSelector(selector, { app: 'web' })).toBe(false);
  expect(matchesLabelSelector({}, undefined)).toBe(true);
  expect(matchesLabelSelector(undefined, labels)).toBe(false);
});

test('an operator that nobody knows does not match', () => {
  expect(matchesRequirement({ key: 'app', operator: 'Like', values: ['w'] }, labels)).toBe(false);
});

test('field selectors survive a round trip through their escapes', () => {
  const text = fieldSelector({ 'metadata.name': 'a,b=c\\', 'spec.nodeName': 'n' });
  expect(text).toBe('metadata.name=a\\,b\\=c\\\\,spec.nodeName=n');
  expect(parseFieldSelector(text)).toEqual([
    { path: 'metadata.name', equal: true, value: 'a,b=c\\' },
    { path: 'spec.nodeName', equal: true, value: 'n' },
  ]);
});

test('field terms compare the text of the field, absent as empty', () => {
  const pod = { metadata: { name: 'web' }, spec: { hostNetwork: true } };
  expect(matchesFields(parseFieldSelector('metadata.name=web,spec.hostNetwork=true,status.phase='), pod)).toBe(true);
  expect(matchesFields(parseFieldSelector('metadata.name!=web'), pod)).toBe(false);
  expect(() => parseFieldSelector('metadata.name')).toThrow(/not a field selector/);
});
