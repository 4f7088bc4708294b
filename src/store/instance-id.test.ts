import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { instanceIdOf } from './instance-id.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'instance-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('is made once and stays', async () => {
  const root = path.join(directory, 'root');
  const id = await instanceIdOf(root);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await instanceIdOf(root)).toBe(id);
  expect(await instanceIdOf(directory)).not.toBe(id);
});

test('a damaged one is an error: a new identity would disown what runs', async () => {
  await writeFile(path.join(directory, 'instance-id'), '');
  await expect(instanceIdOf(directory)).rejects.toThrow('does not hold an instance id');
});
