import { expect, test } from 'vitest';
import { parseEnvFile } from './env-file.ts';

test.each([
  ["A='x'\nB='y'\n", 'B', 'y'],
  ["# a comment\n\n   B='y' # behind it\n", 'B', 'y'],
  ["B='y'", 'B', 'y'],
  ["B=''\n", 'B', ''],
  ["A='x'\n", 'B', ''],
  ["B='two\nlines'\nC='z'\n", 'B', 'two\nlines'],
  ["A='two\nlines'\nB='y'\n", 'B', 'y'],
  ["B='a=b=c # $X'\n", 'B', 'a=b=c # $X'],
  ["B= 'y'\n", 'B', ''],
  ["A= 'x'\nB='y'\n", 'B', 'y'],
  ["A='x'\r\nB='y'\r\n", 'B', 'y'],
  ["B='first'\nnonsense\n", 'B', 'first'],
])('%j has %s = %j', (content, key, expected) => {
  expect(parseEnvFile(content, key)).toBe(expected);
});

test.each([
  ["A='x'\nnonsense\nB='y'\n", "line 2: missing '='"],
  ["='x'\n", 'line 1: empty variable name'],
  ["B ='y'\n", "line 1: whitespace before '=' is not allowed"],
  ['B=y\n', 'line 1: value must be enclosed in single quotes'],
  ['B="y"\n', 'line 1: value must be enclosed in single quotes'],
  ["B='a''b'\n", 'line 1: unexpected content after closing quote'],
  ["\nB='y\nmore\n", 'line 2: unclosed single quote'],
])('%j is refused with the line', (content, message) => {
  expect(() => parseEnvFile(content, 'B')).toThrow(message);
});
