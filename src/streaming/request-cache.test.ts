import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { RequestCache } from './request-cache.ts';

test('a token answers once, and tokens are not alike', () => {
  const cache = new RequestCache<string>(new FakeClock(), 60_000, 10);
  const [a, b] = [cache.insert('a'), cache.insert('b')];
  expect(a).not.toBe(b);
  expect([cache.consume(b), cache.consume(a), cache.consume(a), cache.consume('guess')]).toEqual(['b', 'a', undefined, undefined]);
});

test('a token lives for its time and no longer', async () => {
  const clock = new FakeClock();
  const cache = new RequestCache<string>(clock, 60_000, 10);
  const [early, late] = [cache.insert('early'), cache.insert('late')];
  await clock.advance(60_000);
  expect(cache.consume(early)).toBe('early');
  await clock.advance(1);
  expect(cache.consume(late)).toBeUndefined();
});

test('no more than the limit wait, and expired ones make room', async () => {
  const clock = new FakeClock();
  const cache = new RequestCache<number>(clock, 60_000, 2);
  cache.insert(1);
  cache.insert(2);
  expect(() => cache.insert(3)).toThrow('maximum number of in-flight requests');
  await clock.advance(60_001);
  expect(cache.insert(3)).toMatch(/^[\w-]{22}$/);
});
