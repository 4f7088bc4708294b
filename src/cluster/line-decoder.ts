/** Splits a byte stream into lines, one watch event a line. */
import { ResourceExhaustedError } from '../lib/errors.ts';

/**
 * Longest line: an object is at most 1.5 MiB in etcd, base64 and JSON escapes make it a few times longer; beyond this the stream
 * is not what we think it is.
 */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/** Collects the bytes of lines that arrive in pieces; each byte is looked at once. */
export class LineDecoder {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(maxBytes = MAX_LINE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes, without their ends; empty lines are left out. @throws ResourceExhaustedError */
  *push(chunk: Buffer): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = this.#take();
      if (line !== '') yield line;
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** What came after the last line end. */
  rest(): string {
    return this.#take();
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (this.#length > this.#maxBytes) throw new ResourceExhaustedError(`a line of the watch is longer than ${this.#maxBytes} bytes`);
    this.#pieces.push(piece);
  }

  #take(): string {
    const [first] = this.#pieces;
    const line = this.#pieces.length > 1 ? Buffer.concat(this.#pieces, this.#length).toString() : (first?.toString() ?? '');
    this.#pieces = [];
    this.#length = 0;
    return line.trimEnd();
  }
}
