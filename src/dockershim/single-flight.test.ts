import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { SingleFlight } from './single-flight.ts';

function flights(): { readonly begun: string[]; readonly single: SingleFlight; readonly end: (index: number, error?: Error) => void } {
  const begun: string[] = [];
  const pending: PromiseWithResolvers<void>[] = [];
  const single = new SingleFlight((key) => {
    begun.push(key);
    const run = Promise.withResolvers<void>();
    pending.push(run);
    return run.promise;
  });
  const end = (index: number, error?: Error): void => (error === undefined ? pending[index]?.resolve() : pending[index]?.reject(error));
  return { begun, single, end };
}

test('requests during a run are answered by one more run that begins after it', async () => {
  const { begun, single, end } = flights();
  const answered: string[] = [];
  void single.request('a').then(() => answered.push('first'));
  void single.request('a').then(() => answered.push('second'));
  void single.request('a').then(() => answered.push('third'));
  await settle();
  expect(begun).toEqual(['a']);
  end(0);
  await settle();
  expect([begun, answered]).toEqual([['a', 'a'], ['first']]);
  end(1);
  await settle();
  expect([begun, answered]).toEqual([
    ['a', 'a'],
    ['first', 'second', 'third'],
  ]);
});

test('keys do not wait for one another', async () => {
  const { begun, single, end } = flights();
  const [a, b] = [single.request('a'), single.request('b')];
  expect(begun).toEqual(['a', 'b']);
  end(1);
  await b;
  end(0);
  await a;
});

test('a failed run fails its own requests only', async () => {
  const { single, end } = flights();
  const first = single.request('a');
  const second = single.request('a');
  end(0, new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  end(1);
  await settle();
  end(1);
  await expect(second).resolves.toBeUndefined();
});

test('a request after the end begins a new run', async () => {
  const { begun, single, end } = flights();
  const first = single.request('a');
  end(0);
  await first;
  const second = single.request('a');
  end(1);
  await second;
  expect(begun).toHaveLength(2);
});
