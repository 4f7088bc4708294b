import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineDecoder } from './line-decoder.ts';

function decode(decoder: LineDecoder, chunks: readonly Buffer[]): string[] {
  return chunks.flatMap((chunk) => [...decoder.push(chunk)]);
}

test('lines come out whole however the bytes are cut, multi-byte characters too', () => {
  const lines = ['{"a":1}', '{"b":"Zürich – 東京"}', '{"c":3}'];
  const bytes = Buffer.from(`${lines.join('\n')}\n`);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
      expect(decode(new LineDecoder(), chunks)).toEqual(lines);
    }),
  );
});

test('an unfinished line waits for its end', () => {
  const decoder = new LineDecoder();
  expect(decode(decoder, [Buffer.from('one\r\n\ntw')])).toEqual(['one']);
  expect(decoder.rest()).toBe('tw');
});

test('a line without end is refused at the limit', () => {
  const decoder = new LineDecoder(10);
  expect(decode(decoder, [Buffer.from('0123456789\n')])).toEqual(['0123456789']);
  decode(decoder, [Buffer.from('01234')]);
  expect(() => decode(decoder, [Buffer.from('567890')])).toThrow(/longer than 10 bytes/);
});
