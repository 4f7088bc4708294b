/** One line of a container's log file: CRI's format or that of Docker's json-file driver (cri-client pkg/logs). */

export interface LogLine {
  /** RFC 3339 with up to nine decimals, as written. */
  readonly timestamp: string;
  readonly stream: 'stdout' | 'stderr';
  /** What the container wrote, with the newline that ended it; without one: a piece of a longer line. */
  readonly content: Buffer;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const BRACE = 0x7b;
const LINE_END = Buffer.from('\n');

/** `undefined`: in neither format. `line` is without the newline that ends it in the file. */
export function parseLogLine(line: Buffer): LogLine | undefined {
  return line[0] === BRACE ? parseJsonLine(line) : parseCriLine(line);
}

/** Nine decimals, so that lines are of one width: `2016-10-06T00:17:09.669794202Z`. */
export function fixedWidthTimestamp(timestamp: string): string {
  const [, seconds = timestamp, fraction = '', zone = ''] = /^(.{19})(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(timestamp) ?? [];
  return zone === '' ? timestamp : `${seconds}.${fraction.padEnd(9, '0')}${zone}`;
}

/** `2016-10-06T00:17:09.669794202Z stdout P content`; the tag `P` is a piece, further tags are ignored. */
function parseCriLine(line: Buffer): LogLine | undefined {
  const timestampEnd = line.indexOf(SPACE);
  const streamEnd = line.indexOf(SPACE, timestampEnd + 1);
  const tagEnd = line.indexOf(SPACE, streamEnd + 1);
  if (timestampEnd < 0 || streamEnd < 0 || tagEnd < 0) return undefined;
  const timestamp = line.toString('latin1', 0, timestampEnd);
  const stream = line.toString('latin1', timestampEnd + 1, streamEnd);
  if ((stream !== 'stdout' && stream !== 'stderr') || Number.isNaN(Date.parse(timestamp))) return undefined;
  const [tag] = line.toString('latin1', streamEnd + 1, tagEnd).split(':');
  const content = line.subarray(tagEnd + 1);
  return { timestamp, stream, content: tag === 'P' ? content : Buffer.concat([content, LINE_END]) };
}

/** `{"log":"content\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}`; a piece has no newline. */
function parseJsonLine(line: Buffer): LogLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    return undefined; // the engine was killed in the middle of writing it
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const log = 'log' in value ? value.log : '';
  const stream = 'stream' in value ? value.stream : '';
  const timestamp = 'time' in value ? value.time : '';
  if (typeof log !== 'string' || typeof timestamp !== 'string' || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  return { timestamp, stream, content: Buffer.from(log) };
}

/** Whether the line of the file ends a line of the container, rather than being a piece of one. */
export function endsLine(line: Buffer): boolean {
  const content = parseLogLine(line)?.content;
  return content === undefined || content.at(-1) === NEWLINE;
}
