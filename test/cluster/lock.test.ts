import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lock, tryLock } from './lock.ts';

const uniqueName = (): string => `test-${randomBytes(8).toString('hex')}`;

test('a lock that is held is not given again until it is released', async () => {
  const name = uniqueName();
  const held = await tryLock(name);
  expect(held).toBeDefined();
  expect(await tryLock(name)).toBeUndefined();
  await held?.release();
  const again = await tryLock(name);
  expect(again).toBeDefined();
  await again?.release();
});

test('of many who wait, one at a time gets the lock', async () => {
  const name = uniqueName();
  let holders = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const held = await lock(name);
      expect(++holders).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      holders--;
      await held.release();
    }),
  );
});

test('a lock goes with its process, even when that is killed', async () => {
  const name = uniqueName();
  const module = JSON.stringify(join(import.meta.dirname, 'lock.ts'));
  const script = `const { lock } = await import(${module}); await lock(${JSON.stringify(name)}); console.log('held'); setInterval(() => {}, 1e6)`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(await tryLock(name)).toBeUndefined();
  child.kill('SIGKILL');
  await (await lock(name)).release();
});

test('waiting for a lock ends with the signal', async () => {
  const name = uniqueName();
  const held = await tryLock(name);
  const abort = new AbortController();
  const waiting = lock(name, abort.signal, () => abort.abort(new Error('enough')));
  await expect(waiting).rejects.toThrow('enough');
  await held?.release();
});
