import { expect, test } from 'vitest';
import { FatalError, TimeoutError, waitFor } from './wait.ts';

const quick = { timeoutMs: 30, intervalMs: 1 } as const;

test('a wait returns the first answer', async () => {
  let tries = 0;
  expect(await waitFor('three', () => (++tries === 3 ? tries : undefined), { timeoutMs: 5_000, intervalMs: 1 })).toBe(3);
});

test('a wait that runs out of time says what for, and what the last try answered', async () => {
  const never = waitFor('the moon', () => Promise.reject(new Error('not up')), { ...quick, explain: () => 'it is day' });
  await expect(never).rejects.toThrow(TimeoutError);
  await expect(never).rejects.toThrow('the moon: not within 0.03 s: not up\nit is day');
});

test('a wait for what cannot happen any more ends at once', async () => {
  const failed = waitFor('a start', () => Promise.reject(new FatalError('it ended')), { timeoutMs: 60_000 });
  await expect(failed).rejects.toThrow('it ended');
});

test('an aborted wait throws the reason', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(waitFor('anything', () => false, { ...quick, signal })).rejects.toThrow('enough');
});
