import { expect, test } from 'vitest';
import { fixedWidthTimestamp, parseLogLine } from './log-line.ts';

const parse = (line: string) => {
  const parsed = parseLogLine(Buffer.from(line));
  return parsed && [parsed.timestamp, parsed.stream, parsed.content.toString()];
};
const T = '2016-10-06T00:17:09.669794202Z';

test.each([
  [`${T} stdout F log content 1`, [T, 'stdout', 'log content 1\n']],
  [`${T} stderr P a piece`, [T, 'stderr', 'a piece']],
  [`${T} stdout P:extra a piece`, [T, 'stdout', 'a piece']],
  [`${T} stdout F `, [T, 'stdout', '\n']],
  ['2016-10-06T00:17:09+08:00 stdout F  indented ', ['2016-10-06T00:17:09+08:00', 'stdout', ' indented \n']],
  [`{"log":"a \\"b\\"\\n","stream":"stderr","time":"${T}"}`, [T, 'stderr', 'a "b"\n']],
  [`{"log":"a piece","stream":"stdout","attrs":{"x":"y"},"time":"${T}"}`, [T, 'stdout', 'a piece']],
])('%j', (line, expected) => {
  expect(parse(line)).toEqual(expected);
});

test.each([
  '',
  'hello',
  `${T} stdout`,
  `${T} stdlog F x`,
  `yesterday stdout F x`,
  '{"log":"cut of',
  '{"log":1,"stream":"stdout","time":"x"}',
  '[]',
  '\0\0',
])('%j is no log line', (line) => {
  expect(parse(line)).toBeUndefined();
});

test.each([
  ['2016-10-06T00:17:09.669794202Z', '2016-10-06T00:17:09.669794202Z'],
  ['2016-10-06T00:17:09.66Z', '2016-10-06T00:17:09.660000000Z'],
  ['2016-10-06T00:17:09+02:00', '2016-10-06T00:17:09.000000000+02:00'],
])('%s is written as %s', (timestamp, expected) => {
  expect(fixedWidthTimestamp(timestamp)).toBe(expected);
});
