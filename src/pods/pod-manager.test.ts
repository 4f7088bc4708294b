import { beforeEach, expect, test } from 'vitest';
import type { Pod } from '../api/types.ts';
import { PodManager, type PodChange } from './pod-manager.ts';
import { testPod } from './testing/builders.ts';

let pods: PodManager;
let told: string[][];

const named = (uid: string, annotations: Record<string, string> = {}): Pod => testPod({}, { uid, name: `p-${uid}`, annotations });
const fromFile = { 'kubernetes.io/config.source': 'file' };
const describeChange = (change: PodChange): string =>
  change.kind === 'mirror' ? `mirror ${change.name} ${change.mirror?.metadata.uid ?? 'gone'}` : `${change.kind} ${change.pod.metadata.uid}`;

beforeEach(() => {
  pods = new PodManager(['api', 'file']);
  told = [];
  pods.onChange((changes) => told.push(changes.map(describeChange)));
});

test('all sources have been seen when each has delivered its first list, also an empty one', () => {
  expect(pods.allSourcesSeen).toBe(false);
  pods.replace('api', []);
  expect(pods.allSourcesSeen).toBe(false);
  expect(pods.hasSeen('api')).toBe(true);
  pods.replace('file', []);
  expect(pods.allSourcesSeen).toBe(true);
  expect(told).toEqual([[], []]);
});

test('a complete list removes what it does not name, of its own source alone', () => {
  pods.replace('file', [named('f', fromFile)]);
  pods.replace('api', [named('a'), named('b')]);
  told = [];
  pods.replace('api', [named('b'), named('c')]);
  expect(
    pods
      .list()
      .map(({ metadata }) => metadata.uid)
      .sort(),
  ).toEqual(['b', 'c', 'f']);
});

test('listeners are told once a call, of every change, when the manager has it', () => {
  const seen: (Pod | undefined)[] = [];
  pods.onChange(() => seen.push(pods.get('b')));
  pods.replace('api', [named('a')]);
  pods.replace('api', [named('b')]);
  pods.upsert('api', named('b'));
  pods.remove('api', named('b'));
  pods.remove('api', named('b'));
  expect(told).toEqual([['added a'], ['removed a', 'added b'], ['updated b'], ['removed b']]);
  expect(seen.map((pod) => pod !== undefined)).toEqual([false, true, true, false]);
});

test('a mirror pod is no pod: it stands for the static pod of its name', () => {
  const fixed = named('f', fromFile);
  const mirror = {
    ...named('m', { ...fromFile, 'kubernetes.io/config.mirror': 'h' }),
    metadata: { ...named('m', { ...fromFile, 'kubernetes.io/config.mirror': 'h' }).metadata, name: 'p-f' },
  };
  pods.replace('file', [fixed]);
  pods.replace('api', [mirror]);
  expect(pods.list()).toEqual([fixed]);
  expect(pods.byName('n', 'p-f')).toBe(fixed);
  expect(pods.mirrorOf(fixed)).toBe(mirror);
  expect(pods.resolveUid('m')).toBe('f');
  expect(pods.resolveUid('f')).toBe('f');
  pods.replace('api', []);
  expect(pods.mirrorOf(fixed)).toBeUndefined();
  expect(told).toEqual([['added f'], ['mirror p-f m'], ['mirror p-f gone']]);
});

test('a listener that has ended its subscription is not told any more', () => {
  let calls = 0;
  const end = pods.onChange(() => (calls += 1));
  pods.upsert('api', named('a'));
  end();
  pods.upsert('api', named('a'));
  expect(calls).toBe(1);
});
