import { expect, test } from 'vitest';
import { quote } from './quote.ts';

test.each([
  ['plain', '"plain"'],
  ['a "b" \\ c', String.raw`"a \"b\" \\ c"`],
  ['line\nnext\ttab', String.raw`"line\nnext\ttab"`],
  ['\x00\x07\x7f', String.raw`"\x00\a\x7f"`],
  ['zażółć 漢字 😀', '"zażółć 漢字 😀"'],
  ['\u00a0\u200b\u{e0001}', String.raw`"\u00a0\u200b\U000e0001"`],
])('%j is quoted as Go quotes it', (text, expected) => {
  expect(quote(text)).toBe(expected);
});
