import { expect, test } from 'vitest';
import { settle } from './fake-clock.ts';
import { Semaphore } from './semaphore.ts';

const { signal } = new AbortController();

function work(log: string[], name: string): { readonly run: () => Promise<void>; readonly end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    log.push(`${name} begins`);
    await promise;
    log.push(`${name} ends`);
  };
  return { run, end: () => resolve() };
}

test('never more than the limit run, and first come is first served', async () => {
  const log: string[] = [];
  const semaphore = new Semaphore(2);
  const pieces = ['a', 'b', 'c', 'd'].map((name) => work(log, name));
  const all = pieces.map((piece) => semaphore.run(signal, piece.run));
  await settle();
  expect(log).toEqual(['a begins', 'b begins']);
  pieces[1]?.end();
  await settle();
  expect(log).toEqual(['a begins', 'b begins', 'b ends', 'c begins']);
  for (const piece of pieces) piece.end();
  await Promise.all(all);
  expect(log.filter((line) => line.endsWith('begins'))).toEqual(['a begins', 'b begins', 'c begins', 'd begins']);
});

test('work that fails gives its place back', async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.run(signal, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await semaphore.run(signal, () => Promise.resolve('next'))).toBe('next');
});

test('who leaves the queue by an abort takes no place', async () => {
  const log: string[] = [];
  const semaphore = new Semaphore(1);
  const [first, third] = [work(log, 'first'), work(log, 'third')];
  const leaving = new AbortController();
  const running = semaphore.run(signal, first.run);
  const left = semaphore.run(leaving.signal, () => Promise.resolve(log.push('must not run')));
  const waiting = semaphore.run(signal, third.run);
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  first.end();
  await running;
  third.end();
  await waiting;
  expect(log).toEqual(['first begins', 'first ends', 'third begins', 'third ends']);
});

test('a signal that is aborted already is refused at once', async () => {
  await expect(new Semaphore(1).run(AbortSignal.abort(new Error('late')), () => Promise.resolve())).rejects.toThrow('late');
});
