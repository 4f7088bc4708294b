import { expect, test } from 'vitest';
import { AsyncQueue } from './async-queue.ts';

async function collect<T>(queue: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of queue) values.push(value);
  return values;
}

test('values are delivered in their order, those before the end too', async () => {
  const queue = new AsyncQueue<number>(10);
  queue.push(1);
  const all = collect(queue);
  await Promise.resolve();
  queue.push(2);
  queue.push(3);
  queue.end();
  queue.push(4);
  expect(await all).toEqual([1, 2, 3]);
});

test('a value beyond the limit takes the place of the oldest', async () => {
  const queue = new AsyncQueue<string>(1);
  for (const value of ['old', 'newer', 'newest']) queue.push(value);
  queue.end();
  expect(await collect(queue)).toEqual(['newest']);
});

test('a reader that leaves ends the queue', async () => {
  const queue = new AsyncQueue<number>(10);
  queue.push(1);
  for await (const value of queue) {
    expect(value).toBe(1);
    break;
  }
  queue.push(2);
  expect(await collect(queue)).toEqual([]);
});
