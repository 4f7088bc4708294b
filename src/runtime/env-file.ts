/** Environment files of `fileKeyRef` (KEP-3721; kubelet pkg/kubelet/util/env): lines `KEY='value'`, read as a POSIX shell would. */
import { InvalidInputError } from '../lib/errors.ts';

/**
 * Value of `key`, empty when the file does not set it. Values stand in single quotes and may span lines; comments and blank lines
 * are skipped. Lines after the key's are not looked at.
 * @throws InvalidInputError naming the line that is not of this form
 */
export function parseEnvFile(content: string, key: string): string {
  const lines = content.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  for (let index = 0; index < lines.length; index += 1) {
    const line = (lines[index] ?? '').replace(/^[ \t]+/, '');
    if (line === '' || line.startsWith('#')) continue;
    const name = variableName(line, index + 1);
    const afterEquals = line.slice(name.length + 1);
    if (/^[ \t]/.test(afterEquals)) {
      // As in a shell, `KEY= 'x'` sets KEY to nothing.
      if (name === key) return '';
      continue;
    }
    const { value, lastIndex } = quotedValue(lines, index, afterEquals);
    if (name === key) return value;
    index = lastIndex;
  }
  return '';
}

function variableName(line: string, lineNumber: number): string {
  const equals = line.indexOf('=');
  if (equals === -1) throw invalid(lineNumber, "missing '='");
  const name = line.slice(0, equals);
  if (name.trim() === '') throw invalid(lineNumber, 'empty variable name');
  if (/[ \t]$/.test(name)) throw invalid(lineNumber, "whitespace before '=' is not allowed");
  return name;
}

function quotedValue(lines: readonly string[], start: number, text: string): { value: string; lastIndex: number } {
  if (!text.startsWith("'")) throw invalid(start + 1, 'value must be enclosed in single quotes');
  let value = '';
  let rest = text.slice(1);
  for (let index = start; ;) {
    const close = rest.indexOf("'");
    if (close !== -1) {
      const after = rest.slice(close + 1).replace(/^[ \t]+/, '');
      if (after !== '' && !after.startsWith('#')) throw invalid(index + 1, 'unexpected content after closing quote');
      return { value: value + rest.slice(0, close), lastIndex: index };
    }
    value += `${rest}\n`;
    index += 1;
    const next = lines[index];
    if (next === undefined) throw invalid(start + 1, 'unclosed single quote');
    rest = next;
  }
}

function invalid(lineNumber: number, problem: string): InvalidInputError {
  return new InvalidInputError(`invalid environment variable format at line ${lineNumber}: ${problem}`);
}
