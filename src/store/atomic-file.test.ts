import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isTemporaryFile, writeFileAtomic } from './atomic-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'atomic-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('makes the directory, replaces what was there and leaves nothing beside it', async () => {
  const file = path.join(directory, 'a/b/file');
  await writeFileAtomic(file, 'old');
  await writeFileAtomic(file, 'new');
  expect(await readFile(file, 'utf8')).toBe('new');
  expect(await readdir(path.dirname(file))).toEqual(['file']);
});

test('is for the owner alone unless told', async () => {
  const [own, open] = [path.join(directory, 'own'), path.join(directory, 'open')];
  await writeFileAtomic(own, 'x');
  await writeFileAtomic(open, 'x', { mode: 0o644 });
  expect((await stat(own)).mode & 0o777).toBe(0o600);
  expect((await stat(open)).mode & 0o777).toBe(0o644);
});

test('a failure leaves the old file and no other', async () => {
  const target = path.join(directory, 'target');
  await writeFileAtomic(path.join(target, 'inside'), 'x');
  await expect(writeFileAtomic(target, 'a directory cannot be replaced')).rejects.toThrow();
  expect(await readdir(directory)).toEqual(['target']);
});

test('writers of one file at the same time leave one of their contents whole', async () => {
  const file = path.join(directory, 'file');
  const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(5_000));
  await Promise.all(contents.map((content) => writeFileAtomic(file, content)));
  expect(contents).toContain(await readFile(file, 'utf8'));
});

test('what a crash leaves is known by its name', () => {
  expect(isTemporaryFile('.state.json.0a1b2c3d4e5f.tmp')).toBe(true);
  expect(isTemporaryFile('state.json')).toBe(false);
});
