const NEWLINE = 0x0a;
/** The engines cut lines at 16 KiB; written as JSON a byte can become six. Beyond this it is no log line. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Cuts what is read of a file into lines, whatever pieces it is read in. */
export class LineSplitter {
  #rest: Buffer[] = [];
  #restBytes = 0;
  #skipping = false;

  /** Bytes that wait for their newline. */
  get pendingBytes(): number {
    return this.#restBytes;
  }

  /** The lines that `chunk` completes, without their newline. They share its memory. */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.#take(chunk.subarray(start, end));
      start = end + 1;
      if (line) yield line;
    }
    this.#keep(chunk.subarray(start));
  }

  /** What is left at the end of a file. */
  flush(): Buffer | undefined {
    return this.#restBytes > 0 ? this.#take(Buffer.alloc(0)) : undefined;
  }

  #take(tail: Buffer): Buffer | undefined {
    const line = this.#rest.length === 0 ? tail : Buffer.concat([...this.#rest, tail]);
    const skipped = this.#skipping;
    this.#rest = [];
    this.#restBytes = 0;
    this.#skipping = false;
    return skipped || line.length > MAX_LINE_BYTES ? undefined : line;
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0 || this.#skipping) return;
    this.#rest.push(Buffer.from(rest)); // the chunk's memory is used again
    this.#restBytes += rest.length;
    if (this.#restBytes <= MAX_LINE_BYTES) return;
    this.#rest = [];
    this.#restBytes = 0;
    this.#skipping = true;
  }
}
