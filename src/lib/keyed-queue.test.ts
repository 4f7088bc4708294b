import { beforeEach, describe, expect, test } from 'vitest';
import { FakeClock, settle } from './fake-clock.ts';
import { KeyedQueue } from './keyed-queue.ts';

interface Run {
  readonly key: string;
  readonly signal: AbortSignal;
  end(): void;
  fail(): void;
}

let clock: FakeClock;
let runs: Run[];
let errors: string[];

function queueOf(concurrency = 10): KeyedQueue {
  return new KeyedQueue({
    clock,
    concurrency,
    backoff: { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 },
    work: (key, signal) =>
      new Promise((resolve, reject) => {
        runs.push({ key, signal, end: resolve, fail: () => reject(new Error('no')) });
      }),
    onError: (key, _error, failures, retryInMs) => errors.push(`${key} ${failures} ${retryInMs}`),
  });
}

beforeEach(() => {
  clock = new FakeClock();
  runs = [];
  errors = [];
});

const keys = (): string[] => runs.map((run) => run.key);

test('a key that is added runs in the same turn of the event loop, but not inside the call', async () => {
  const queue = queueOf();
  queue.add('a');
  expect(keys()).toEqual([]);
  await Promise.resolve();
  expect(keys()).toEqual(['a']);
});

test('no key runs twice at once, and additions during a run make exactly one more', async () => {
  const queue = queueOf();
  queue.add('a');
  await settle();
  queue.add('a');
  queue.add('a');
  queue.add('a');
  await settle();
  expect(keys()).toEqual(['a']);
  runs[0]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'a']);
  runs[1]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'a']);
});

test('at most the given number of runs at once, the others in order and each in line once', async () => {
  const queue = queueOf(2);
  for (const key of ['a', 'b', 'c', 'd', 'c']) queue.add(key);
  await settle();
  expect(keys()).toEqual(['a', 'b']);
  expect(queue.waiting).toBe(2);
  runs[1]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'b', 'c']);
  runs[0]?.end();
  runs[2]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'b', 'c', 'd']);
  expect(queue.running).toBe(1);
});

test('a key that stays busy does not starve the keys in line', async () => {
  const queue = queueOf(1);
  queue.add('a');
  await settle();
  queue.add('b');
  queue.add('a');
  runs[0]?.end();
  await settle();
  runs[1]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'b', 'a']);
});

describe('failures', () => {
  test('are tried again after a back-off that doubles for this key alone and is reset by a success', async () => {
    const queue = queueOf();
    queue.add('a');
    await settle();
    runs[0]?.fail();
    await clock.advance(99);
    queue.add('b');
    await settle();
    expect(keys()).toEqual(['a', 'b']);
    await clock.advance(1);
    expect(keys()).toEqual(['a', 'b', 'a']);
    runs[2]?.fail();
    await clock.advance(200);
    expect(keys()).toEqual(['a', 'b', 'a', 'a']);
    runs[3]?.end();
    await settle();
    queue.add('a');
    await settle();
    runs[4]?.fail();
    await settle();
    expect(errors).toEqual(['a 1 100', 'a 2 200', 'a 1 100']);
  });

  test('do not delay a change that comes meanwhile', async () => {
    const queue = queueOf();
    queue.add('a');
    await settle();
    runs[0]?.fail();
    await settle();
    queue.add('a');
    await settle();
    expect(keys()).toEqual(['a', 'a']);
  });

  test('that are thrown before the first await count as well', async () => {
    const queue = new KeyedQueue({
      clock,
      concurrency: 1,
      backoff: { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 },
      work: () => {
        throw new Error('at once');
      },
      onError: (key) => errors.push(key),
    });
    queue.add('a');
    await settle();
    expect(errors).toEqual(['a']);
  });
});

test('a delayed wake runs once, at the earliest of the times asked for', async () => {
  const queue = queueOf();
  queue.addAfter('a', 500);
  queue.addAfter('a', 300);
  queue.addAfter('a', 400);
  expect(clock.pendingTimers).toBe(1);
  await clock.advance(299);
  expect(keys()).toEqual([]);
  await clock.advance(1);
  expect(keys()).toEqual(['a']);
  runs[0]?.end();
  await clock.advance(1000);
  expect(keys()).toEqual(['a']);
});

test('a wake that falls into a run makes one more run', async () => {
  const queue = queueOf();
  queue.add('a');
  queue.addAfter('a', 100);
  await clock.advance(100);
  runs[0]?.end();
  await settle();
  expect(keys()).toEqual(['a', 'a']);
});

describe('forget', () => {
  test('drops the place in line, the timer and the failures', async () => {
    const queue = queueOf(1);
    queue.add('a');
    await settle();
    queue.add('b');
    queue.addAfter('b', 50);
    queue.forget('b');
    runs[0]?.end();
    await clock.advance(1000);
    expect(keys()).toEqual(['a']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('lets a run in progress end and does not try it again', async () => {
    const queue = queueOf();
    queue.add('a');
    await settle();
    queue.add('a');
    queue.forget('a');
    runs[0]?.fail();
    await clock.advance(5000);
    expect(keys()).toEqual(['a']);
    expect(errors).toEqual([]);
  });

  test('is undone by a later addition, which still waits for the run in progress', async () => {
    const queue = queueOf();
    queue.add('a');
    await settle();
    queue.forget('a');
    queue.add('a');
    await settle();
    expect(keys()).toEqual(['a']);
    runs[0]?.end();
    await settle();
    expect(keys()).toEqual(['a', 'a']);
  });
});

test('stop aborts the runs, waits for them and starts none any more', async () => {
  const queue = queueOf(1);
  queue.add('a');
  await settle();
  queue.add('b');
  queue.addAfter('c', 10);
  let stopped = false;
  const stopping = queue.stop().then(() => (stopped = true));
  await clock.advance(100);
  expect(runs[0]?.signal.aborted).toBe(true);
  expect(stopped).toBe(false);
  queue.add('d');
  runs[0]?.fail();
  await stopping;
  await clock.advance(1000);
  expect(keys()).toEqual(['a']);
  expect(errors).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});
