import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { encodeSize, readResizeEvents } from './resize-events.ts';
import type { TerminalSize } from './types.ts';

const never = new AbortController().signal;

async function collect(sizes: AsyncIterable<TerminalSize>): Promise<TerminalSize[]> {
  const all: TerminalSize[] = [];
  for await (const size of sizes) all.push(size);
  return all;
}

test('sizes are read however they are split, with names in either case', async () => {
  const stream = new PassThrough();
  const all = collect(readResizeEvents(stream, never));
  for (const text of ['{"Wid', 'th":80,"Height":24}\n', '{"width":120,"height":40}']) {
    stream.write(text);
    await settle();
  }
  stream.end();
  expect(await all).toEqual([
    { width: 80, height: 24 },
    { width: 120, height: 40 },
  ]);
});

test('only the newest size waits for its reader', async () => {
  const stream = new PassThrough();
  const sizes = readResizeEvents(stream, never);
  for (let width = 1; width <= 50; width += 1) stream.write(encodeSize({ width, height: 1 }));
  stream.end();
  await settle();
  expect(await collect(sizes)).toEqual([{ width: 50, height: 1 }]);
});

test('the first thing that is not a size ends them, and what follows is thrown away', async () => {
  for (const text of ['{]}', '{"Width":-1}', '{"Width":70000}', '{"Width":1.5}', '{"Width":"80"}', 'x'.repeat(2000)]) {
    const stream = new PassThrough();
    const all = collect(readResizeEvents(stream, never));
    stream.write(text);
    await settle();
    stream.write(Buffer.alloc(100_000, 1));
    stream.write('{"Width":1,"Height":1}');
    await settle();
    expect(await all).toEqual([]);
    expect(stream.readableLength).toBe(0);
  }
});

test('they end with the session, and there are none without a stream', async () => {
  const session = new AbortController();
  const all = collect(readResizeEvents(new PassThrough(), session.signal));
  session.abort();
  expect(await all).toEqual([]);
  expect(await collect(readResizeEvents(undefined, never))).toEqual([]);
});

test('no bytes throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array(), fc.constant(Buffer.from('{"Width":1}'))), { maxLength: 5 }), async (chunks) => {
      const stream = new PassThrough();
      const all = collect(readResizeEvents(stream, never));
      for (const chunk of chunks) stream.write(chunk);
      stream.end();
      await all;
    }),
  );
});
