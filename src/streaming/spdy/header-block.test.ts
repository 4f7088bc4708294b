import { createInflate } from 'node:zlib';
import { expect, test } from 'vitest';
import { HEADER_DICTIONARY_ID, headerDictionary } from './dictionary.ts';
import { HeaderDeflater, HeaderInflater } from './header-block.ts';
import { SpdyProtocolError } from './protocol-error.ts';

/** Header blocks of the first two SYN_STREAM frames of moby/spdystream: streamtype=error, streamtype=stdin. */
const FROM_GO = ['78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff', 'c22e555c92929907000000ffff'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

test('the dictionary is the one that its Adler-32 names', () => {
  let [a, b] = [1, 0];
  for (const byte of headerDictionary()) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  expect((b * 65536 + a).toString(16)).toBe(HEADER_DICTIONARY_ID.toString(16));
});

test('blocks that Go compressed against the ones before are inflated in their order', () => {
  const inflater = new HeaderInflater();
  expect(FROM_GO.map((block) => [...inflater.inflate(block)])).toEqual([[['streamtype', 'error']], [['streamtype', 'stdin']]]);
});

test('our blocks are one zlib stream with the SPDY dictionary, each flushed', async () => {
  const deflater = new HeaderDeflater();
  const blocks = [new Map([['streamtype', 'data']]), new Map(), new Map([['port', '80']])].map((headers) => deflater.deflate(headers));
  const zlib = createInflate({ dictionary: headerDictionary() });
  const plain: Buffer[] = [];
  zlib.on('data', (chunk: Buffer) => plain.push(chunk));
  for (const block of blocks) await new Promise<void>((resolve) => zlib.write(block, () => resolve()));
  await new Promise<void>((resolve) => zlib.flush(() => resolve()));
  expect(Buffer.concat(plain).toString('latin1')).toBe(
    '\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x04data' + '\0\0\0\0' + '\0\0\0\x01\0\0\0\x04port\0\0\0\x0280',
  );
  expect(blocks.every((block) => block.subarray(-5).equals(Buffer.of(0, 0, 0, 0xff, 0xff)))).toBe(true);
});

test('names are read in lower case, and of several values the first counts', () => {
  const inflater = new HeaderInflater();
  expect([...inflater.inflate(new HeaderDeflater().deflate(new Map([['StreamType', 'stdin\0stdout']])))]).toEqual([
    ['streamtype', 'stdin'],
  ]);
});

function block(plain: Buffer): Buffer {
  const whole = new HeaderDeflater().deflate(new Map([['x', plain.toString('latin1')]]));
  // the prefix, one stored block with `plain` alone, and the flush marker
  const stored = Buffer.alloc(5);
  stored.writeUInt16LE(plain.length, 1);
  stored.writeUInt16LE(~plain.length & 0xffff, 3);
  return Buffer.concat([whole.subarray(0, 6), stored, plain, whole.subarray(-5)]);
}

test.each([
  ['without a zlib header', Buffer.alloc(3)],
  ['of a zlib stream without the dictionary', Buffer.from('789c0300000000010000000000', 'hex')],
  ['whose data is not deflated', Buffer.concat([FROM_GO[0]!.subarray(0, 6), Buffer.alloc(40, 0xff)])],
  ['that ends in a length', block(Buffer.of(0, 0, 0))],
  ['that promises more headers than it has', block(Buffer.of(0, 0, 0, 2))],
  ['that promises a longer name than it has', block(Buffer.from([0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x41]))],
  ['of too many headers', block(Buffer.from([0, 1, 0, 0]))],
  ['that names a header twice', block(Buffer.from('\0\0\0\x02\0\0\0\x01a\0\0\0\0\0\0\0\x01a\0\0\0\0', 'latin1'))],
])('a block %s is a protocol error', (_what, bytes) => {
  expect(() => new HeaderInflater().inflate(bytes)).toThrow(SpdyProtocolError);
});

test('a zlib bomb is stopped', async () => {
  const { deflateRawSync, constants } = await import('node:zlib');
  const bomb = deflateRawSync(Buffer.alloc(32 * 1024 * 1024), { finishFlush: constants.Z_SYNC_FLUSH });
  expect(bomb.length).toBeLessThan(64 * 1024);
  expect(() => new HeaderInflater().inflate(Buffer.concat([FROM_GO[0]!.subarray(0, 6), bomb]))).toThrow(SpdyProtocolError);
});
