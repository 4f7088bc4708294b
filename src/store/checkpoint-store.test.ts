import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CheckpointStore, type CorruptCheckpoint } from './checkpoint-store.ts';

let directory: string;
let corrupt: CorruptCheckpoint[];
let store: CheckpointStore<{ readonly name: string }>;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'checkpoints-'));
  corrupt = [];
  store = new CheckpointStore({ directory, parse, onCorrupt: (one) => corrupt.push(one) });
});
afterEach(() => rm(directory, { recursive: true }));

function parse(data: unknown): { readonly name: string } {
  if (typeof data === 'object' && data !== null && 'name' in data && typeof data.name === 'string') return { name: data.name };
  throw new Error('has no name');
}

test('what was put is got, by this store and by the next', async () => {
  await store.put('a', { name: 'ä "quoted"\n' });
  const next = new CheckpointStore({ directory, parse, onCorrupt: () => undefined });
  expect(await store.get('a')).toEqual({ name: 'ä "quoted"\n' });
  expect(await next.load()).toEqual(new Map([['a', { name: 'ä "quoted"\n' }]]));
});

test('what was never put, or removed, is undefined', async () => {
  await store.put('a', { name: 'x' });
  await store.remove('a');
  await store.remove('a');
  expect(await store.get('a')).toBeUndefined();
  expect(await store.get('never')).toBeUndefined();
});

test('a directory that does not exist holds nothing', async () => {
  const empty = new CheckpointStore({ directory: path.join(directory, 'none'), parse, onCorrupt: () => undefined });
  expect(await empty.load()).toEqual(new Map());
});

test.each([
  ['cut short', (text: string) => text.slice(0, -5)],
  ['empty, as after a power loss', () => ''],
  ['changed in one letter', (text: string) => text.replace('good', 'goOd')],
  ['of a format that is not known', (text: string) => text.replace('"format":1', '"format":2')],
])('a checkpoint that is %s is set aside once, and the others are read', async (_, damage) => {
  await store.put('bad', { name: 'good' });
  await store.put('fine', { name: 'good' });
  const file = path.join(directory, 'bad');
  const damaged = damage(await readFile(file, 'utf8'));
  await writeFile(file, damaged);
  expect(await store.load()).toEqual(new Map([['fine', { name: 'good' }]]));
  expect(corrupt.map((one) => [one.key, one.movedTo])).toEqual([['bad', `${file}.corrupt`]]);
  expect(await readFile(`${file}.corrupt`, 'utf8')).toBe(damaged);
  expect(await store.load()).toEqual(new Map([['fine', { name: 'good' }]]));
  expect(corrupt).toHaveLength(1);
});

test('data of another shape is corrupt, and says why', async () => {
  const other = new CheckpointStore<{ readonly age: number }>({ directory, parse: () => ({ age: 1 }), onCorrupt: () => undefined });
  await other.put('a', { age: 1 });
  expect(await store.get('a')).toBeUndefined();
  expect(corrupt[0]?.reason).toBe('has no name');
});

test('a crash in the middle of writing leaves the previous checkpoint, and its rest is cleared', async () => {
  await store.put('a', { name: 'previous' });
  await writeFile(path.join(directory, '.a.0011aabbccdd.tmp'), '{"format":1,"che');
  expect(await store.load()).toEqual(new Map([['a', { name: 'previous' }]]));
  expect(await readdir(directory)).toEqual(['a']);
});

test.each(['', '../x', 'a/b', '.hidden', 'x.corrupt'])('%j cannot be a key', async (key) => {
  await expect(store.put(key, { name: 'x' })).rejects.toThrow('key of a checkpoint');
});
