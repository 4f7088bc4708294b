import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { Batcher } from './batcher.ts';

function gated(limit = 100) {
  const began: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const batcher = new Batcher<string, string>(limit, async (items) => {
    const gate = Promise.withResolvers<void>();
    began.push(items.join('+'));
    gates.push(gate);
    await gate.promise;
    return items.join('+');
  });
  return { batcher, began, gates };
}

test('calls of one turn, and those that come during work, are done together, one piece of work at a time', async () => {
  const { batcher, began, gates } = gated();
  const first = [batcher.add(['a']), batcher.add(['b'])];
  await settle();
  const second = [batcher.add(['c', 'd']), batcher.add(['e'])];
  await settle();
  expect(began).toEqual(['a+b']);
  gates[0]?.resolve();
  expect(await Promise.all(first)).toEqual(['a+b', 'a+b']);
  await settle();
  expect(began).toEqual(['a+b', 'c+d+e']);
  gates[1]?.resolve();
  expect(await Promise.all(second)).toEqual(['c+d+e', 'c+d+e']);
});

test('a piece of work takes no more than the limit, but a call that is larger all the same', async () => {
  const { batcher, began, gates } = gated(2);
  const calls = [batcher.add(['a']), batcher.add(['b']), batcher.add(['c', 'd', 'e']), batcher.add(['f'])];
  for (let index = 0; index < 3; index += 1) {
    await settle();
    gates[index]?.resolve();
  }
  await Promise.all(calls);
  expect(began).toEqual(['a+b', 'c+d+e', 'f']);
});

test('a failure is that of its own calls only', async () => {
  const batcher = new Batcher<string, string>(1, (items) =>
    items[0] === 'bad' ? Promise.reject(new Error('no')) : Promise.resolve('yes'),
  );
  const bad = batcher.add(['bad']);
  const good = batcher.add(['good']);
  await expect(bad).rejects.toThrow('no');
  expect(await good).toBe('yes');
  expect(await batcher.add(['later'])).toBe('yes');
});
