import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireInstanceLock } from './instance-lock.ts';

const signal = new AbortController().signal;
let root = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'shorelet-lock-'));
});
afterEach(() => rm(root, { recursive: true }));

test('a second agent is refused until the first has gone', async () => {
  const first = await acquireInstanceLock(root, signal);
  await expect(acquireInstanceLock(root, signal)).rejects.toThrow(`another Shorelet uses the root directory ${root}`);
  await first[Symbol.asyncDispose]();
  const second = await acquireInstanceLock(root, signal);
  await second[Symbol.asyncDispose]();
});

test('the directory is made, and another directory is another lock', async () => {
  await using _one = await acquireInstanceLock(path.join(root, 'one'), signal);
  await using _two = await acquireInstanceLock(path.join(root, 'two', 'deep'), signal);
});

test('the socket of a process that was killed does not lock', async () => {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path.join(root, 'shorelet.lock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
  await using _lock = await acquireInstanceLock(root, signal);
});

test('of many that start over a dead socket at once, one wins', async () => {
  await writeFile(path.join(root, 'shorelet.lock'), '');
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquireInstanceLock(root, signal)));
  const won = results.filter((result) => result.status === 'fulfilled');
  expect(won).toHaveLength(1);
  for (const { value } of won) await value[Symbol.asyncDispose]();
});
