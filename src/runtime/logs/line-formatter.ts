import { fixedWidthTimestamp, parseLogLine, type LogLine } from './log-line.ts';

export interface FormatOptions {
  readonly timestamps: boolean;
  readonly stream: 'All' | 'Stdout' | 'Stderr';
  /** ms since the epoch; older lines are left out. */
  readonly sinceMs: number | undefined;
  /** Bytes of output. */
  readonly limitBytes: number | undefined;
}

const NEWLINE = 0x0a;

/** Turns lines of the file into what the reader asked for. */
export class LineFormatter {
  readonly #options: FormatOptions;
  #left: number;
  /** Streams that are in the middle of a line: its timestamp has been written. */
  readonly #inLine = new Set<LogLine['stream']>();

  constructor(options: FormatOptions) {
    this.#options = options;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Everything that was asked for has been given. */
  get full(): boolean {
    return this.#left <= 0;
  }

  /** `undefined`: nothing of it is wanted. */
  format(line: Buffer): Buffer | undefined {
    const parsed = parseLogLine(line);
    if (parsed === undefined || !this.#isWanted(parsed)) return undefined;
    const starts = !this.#inLine.has(parsed.stream);
    if (parsed.content.at(-1) === NEWLINE) this.#inLine.delete(parsed.stream);
    else this.#inLine.add(parsed.stream);
    const prefix = this.#options.timestamps && starts ? `${fixedWidthTimestamp(parsed.timestamp)} ` : '';
    const text = prefix === '' ? parsed.content : Buffer.concat([Buffer.from(prefix), parsed.content]);
    const given = text.length > this.#left ? text.subarray(0, this.#left) : text;
    this.#left -= given.length;
    return given.length === 0 ? undefined : given;
  }

  #isWanted({ stream, timestamp }: LogLine): boolean {
    const { stream: wanted, sinceMs } = this.#options;
    if (wanted !== 'All' && wanted.toLowerCase() !== stream) return false;
    return sinceMs === undefined || !(Date.parse(timestamp) < sinceMs);
  }
}
