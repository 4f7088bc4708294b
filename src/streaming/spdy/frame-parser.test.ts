import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameParser } from './frame-parser.ts';
import {
  encodeDataHeader,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  FLAG_FIN,
  type SpdyFrame,
} from './frames.ts';
import { HeaderDeflater } from './header-block.ts';
import { SpdyProtocolError } from './protocol-error.ts';

const dataFrame = (streamId: number, data: Buffer, fin = false): Buffer =>
  Buffer.concat([encodeDataHeader(streamId, data.length, fin), data]);

function parseAll(chunks: readonly Buffer[]): SpdyFrame[] {
  const parser = new FrameParser();
  return chunks.flatMap((chunk) => [...parser.push(chunk)]);
}

/** Pieces of a data frame put together again, as their number depends on how the bytes were split. */
function joined(frames: readonly SpdyFrame[]): unknown[] {
  const result: unknown[] = [];
  let open: { streamId: number; bytes: Buffer } | undefined;
  for (const frame of frames) {
    if (frame.type !== 'data') {
      if (open) result.push({ ...open, fin: false });
      open = undefined;
      result.push('headers' in frame ? { ...frame, headers: [...frame.headers] } : frame);
      continue;
    }
    if (open && open.streamId !== frame.streamId) {
      result.push({ ...open, fin: false });
      open = undefined;
    }
    open = { streamId: frame.streamId, bytes: Buffer.concat([open?.bytes ?? Buffer.alloc(0), frame.data]) };
    if (frame.fin) {
      result.push({ ...open, fin: true });
      open = undefined;
    }
  }
  if (open) result.push({ ...open, fin: false });
  return result;
}

function split(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => whole.subarray(start, at[index] ?? whole.length));
}

test('frames are read as they were written', () => {
  const deflater = new HeaderDeflater();
  const frames = parseAll([
    encodeSynStream(1, new Map([['streamtype', 'error']]), deflater),
    encodeSynReply(1, new Map([['a', 'b']]), deflater),
    encodePing(7),
    dataFrame(1, Buffer.from('hello'), true),
    dataFrame(3, Buffer.alloc(0), true),
    encodeRstStream(1, 5),
    encodeGoAway(3, 0),
  ]);
  expect(frames).toEqual([
    { type: 'synStream', streamId: 1, flags: 0, headers: new Map([['streamtype', 'error']]) },
    { type: 'synReply', streamId: 1, flags: 0, headers: new Map([['a', 'b']]) },
    { type: 'ping', id: 7 },
    { type: 'data', streamId: 1, fin: true, data: Buffer.from('hello') },
    { type: 'data', streamId: 3, fin: true, data: Buffer.alloc(0) },
    { type: 'rstStream', streamId: 1, status: 5 },
    { type: 'goAway', lastGoodStreamId: 3, status: 0 },
  ]);
});

test('how the bytes are split makes no difference', () => {
  const anyFrame = fc.oneof(
    fc.record({ kind: fc.constant('syn'), id: fc.nat(0x7fffffff), text: fc.string({ maxLength: 40 }) }),
    fc.record({ kind: fc.constant('data'), id: fc.integer({ min: 1, max: 5 }), text: fc.string({ maxLength: 300 }) }),
    fc.record({ kind: fc.constant('ping'), id: fc.nat(), text: fc.constant('') }),
    fc.record({ kind: fc.constant('unknown'), id: fc.integer({ min: 10, max: 0xffff }), text: fc.string({ maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
      const deflater = new HeaderDeflater();
      const whole = Buffer.concat(
        frames.map(({ kind, id, text }) => {
          if (kind === 'syn') return encodeSynStream(id, new Map([['streamtype', text]]), deflater);
          if (kind === 'data') return dataFrame(id, Buffer.from(text), text.length % 2 === 0);
          if (kind === 'ping') return encodePing(id);
          const payload = Buffer.from(text);
          const header = Buffer.alloc(8);
          header.writeUInt32BE((0x80030000 | id) >>> 0);
          header.writeUIntBE(payload.length, 5, 3);
          return Buffer.concat([header, payload]);
        }),
      );
      expect(joined(parseAll(split(whole, cuts)))).toEqual(joined(parseAll([whole])));
    }),
  );
});

test('any bytes at all are frames or a protocol error', () => {
  const header = fc
    .record({
      word: fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0x80030001, 0x80030002, 0x80030006, 0x80030008)),
      flags: fc.nat(3),
      length: fc.nat(70_000),
    })
    .map(({ word, flags, length }) => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(word);
      bytes.writeUInt8(flags, 4);
      bytes.writeUIntBE(length, 5, 3);
      return bytes;
    });
  const bytes = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      header,
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(bytes, (chunks) => {
      try {
        parseAll(chunks);
      } catch (error) {
        if (!(error instanceof SpdyProtocolError)) throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

test('the largest data frame passes through in pieces instead of being held', () => {
  const parser = new FrameParser();
  const chunk = Buffer.alloc(64 * 1024, 1);
  let seen = [...parser.push(encodeDataHeader(1, 2 ** 24 - 1, true))].length;
  for (let sent = 0; sent < 16; sent += 1) seen += [...parser.push(chunk)].length;
  expect(seen).toBe(16);
});

test('a small piece does not keep the chunk that it came in', () => {
  const chunk = Buffer.concat([dataFrame(1, Buffer.from('x')), encodePing(1), Buffer.alloc(0)]);
  const big = Buffer.concat([chunk, dataFrame(3, Buffer.alloc(60_000))]);
  const [small] = [...new FrameParser().push(big)];
  expect(small?.type === 'data' && small.data.buffer !== big.buffer).toBe(true);
});

test.each([
  ['a control frame of another version', Buffer.from('8002000600000004' + '00000001', 'hex')],
  ['a control frame that is too long', Buffer.from('8003000100ffffff', 'hex')],
  ['a DATA frame of stream 0', Buffer.from('0000000000000001', 'hex')],
  ['an empty PING', Buffer.from('8003000600000000', 'hex')],
  ['a SYN_STREAM without a header block', Buffer.from('8003000100000004' + '00000001', 'hex')],
])('%s is a protocol error', (_what, bytes) => {
  expect(() => parseAll([bytes])).toThrow(SpdyProtocolError);
});

test('SETTINGS, WINDOW_UPDATE and unknown control frames are passed over, however long', () => {
  const settings = Buffer.concat([Buffer.from('8003000400' + '020000', 'hex'), Buffer.alloc(0x20000)]);
  const windowUpdate = Buffer.from('8003000900000008' + '0000000100001000', 'hex');
  expect(parseAll([settings, windowUpdate, Buffer.from('8003fff000000000', 'hex'), encodePing(1)])).toEqual([{ type: 'ping', id: 1 }]);
});

test('the FIN flag is told with the last piece of a data frame only', () => {
  const whole = dataFrame(1, Buffer.from('abcdef'), true);
  const fins = parseAll([whole.subarray(0, 10), whole.subarray(10)]).map((frame) => frame.type === 'data' && frame.fin);
  expect(fins).toEqual([false, true]);
  expect(FLAG_FIN).toBe(1);
});
