import { Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { createDemux } from './demux.ts';

function frame(type: number, content: Buffer | string): Buffer {
  const data = Buffer.from(content);
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString('latin1') };
}

test('both streams come out whole, however the bytes are cut', async () => {
  const frames = fc.array(fc.record({ type: fc.constantFrom(1, 2), data: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }), async (sent, sizes) => {
      const [out, err] = [collector(), collector()];
      const consume = createDemux(out.stream, err.stream);
      const bytes = Buffer.concat(sent.map(({ type, data }) => frame(type, Buffer.from(data))));
      let pieces = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes[pieces++ % sizes.length] ?? 1;
        await consume(bytes.subarray(at, at + size));
        at += size;
      }
      const wanted = (type: number): string =>
        Buffer.concat(sent.filter((one) => one.type === type).map((one) => Buffer.from(one.data))).toString('latin1');
      expect([out.text(), err.text()]).toEqual([wanted(1), wanted(2)]);
    }),
  );
});

test('a slow reader holds the stream back', async () => {
  const releases: (() => void)[] = [];
  const slow = new Writable({ highWaterMark: 4, write: (_chunk, _encoding, done) => void releases.push(done) });
  let taken = false;
  void createDemux(slow, undefined)(frame(1, 'more than four bytes')).then(() => (taken = true));
  await settle();
  expect(taken).toBe(false);
  releases[0]?.();
  await settle();
  expect(taken).toBe(true);
});

test('what nobody wants is thrown away, and a reader that has left swallows the rest', async () => {
  const err = collector();
  const gone = new Writable({ write: (_chunk, _encoding, done) => done() });
  gone.destroy();
  await createDemux(undefined, err.stream)(Buffer.concat([frame(1, 'lost'), frame(2, 'kept')]));
  await createDemux(gone, err.stream)(Buffer.concat([frame(1, 'lost'), frame(2, ' too')]));
  expect(err.text()).toBe('kept too');
});

test('what is no frame is an error, not output', async () => {
  await expect(createDemux(undefined, undefined)(Buffer.from('plain text, not frames'))).rejects.toThrow('neither standard output');
});
