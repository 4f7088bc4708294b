import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { KeyedLock } from './keyed-lock.ts';

const never = new AbortController().signal;

test('works of one key follow each other in order, those of other keys do not wait', async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run('a', never, async () => {
    await gate.promise;
    log.push('a1');
  });
  const second = lock.run('a', never, async () => void log.push('a2'));
  await lock.run('b', never, async () => void log.push('b'));
  expect(log).toEqual(['b']);
  gate.resolve();
  await Promise.all([first, second]);
  expect(log).toEqual(['b', 'a1', 'a2']);
});

test('a failed work lets the next one in', async () => {
  const lock = new KeyedLock();
  await expect(lock.run('a', never, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await lock.run('a', never, async () => 1)).toBe(1);
});

test('a caller that gives up while waiting never begins, and does not let the next one in early', async () => {
  const lock = new KeyedLock();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const leaving = new AbortController();
  const first = lock.run('a', never, async () => {
    await gate.promise;
    log.push('first ended');
  });
  const second = lock.run('a', leaving.signal, async () => void log.push('second began'));
  const third = lock.run('a', never, async () => void log.push('third began'));
  leaving.abort(new Error('leaving'));
  await expect(second).rejects.toThrow('leaving');
  await settle();
  expect(log).toEqual([]);
  gate.resolve();
  await Promise.all([first, third]);
  expect(log).toEqual(['first ended', 'third began']);
});
