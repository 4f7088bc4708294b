import type { Duplex } from 'node:stream';
import { batchWrites } from '../write-batch.ts';
import { encodeDataHeader } from './frames.ts';

/** Longest DATA frame that we send, in bytes: a busy stream lets the others in after each. */
const MAX_DATA_BYTES = 64 * 1024;
/** Answers (PING, RST_STREAM, SYN_REPLY) that may wait for a peer that does not read; beyond, it is not read either. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

interface Waiting {
  readonly streamId: number;
  readonly data: Buffer;
  readonly fin: boolean;
  readonly callback: (error?: Error | null) => void;
  sent: number;
}

/**
 * Puts frames on the wire.
 *
 * INVARIANTS
 * - data frames are written only while the transport wants more: what it holds is its own high-water mark and one frame
 * - streams take turns, a frame each; the data of one stream keeps its order
 * - every callback is called exactly once: when its data was written, or with an error by `cancel` or `close`
 */
export class FrameWriter {
  readonly #transport: Duplex;
  readonly #batch: () => void;
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(transport: Duplex) {
    this.#transport = transport;
    this.#batch = batchWrites(transport);
    transport.on('drain', () => this.#flush());
  }

  /** The peer does not read our answers: it must not be read either until `drain`. */
  get overloaded(): boolean {
    return this.#transport.writableLength > MAX_BACKLOG_BYTES;
  }

  /** A control frame, ahead of waiting data. */
  control(frame: Buffer): void {
    if (this.#closed) return;
    this.#batch();
    this.#transport.write(frame);
  }

  data(streamId: number, data: Buffer, fin: boolean, callback: (error?: Error | null) => void): void {
    if (this.#closed) {
      callback(closedError());
      return;
    }
    this.#waiting.push({ streamId, data, fin, callback, sent: 0 });
    this.#flush();
  }

  /** Forgets what a stream still wanted to send. */
  cancel(streamId: number): void {
    const cancelled = this.#waiting.filter((entry) => entry.streamId === streamId);
    if (cancelled.length === 0) return;
    this.#waiting = this.#waiting.filter((entry) => entry.streamId !== streamId);
    for (const entry of cancelled) entry.callback(closedError());
  }

  /** Nothing more is written. */
  close(): void {
    this.#closed = true;
    const left = this.#waiting;
    this.#waiting = [];
    for (const entry of left) entry.callback(closedError());
  }

  #flush(): void {
    while (!this.#closed && !this.#transport.writableNeedDrain) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      const piece = entry.data.subarray(entry.sent, entry.sent + MAX_DATA_BYTES);
      entry.sent += piece.length;
      const done = entry.sent === entry.data.length;
      this.#batch();
      this.#transport.write(encodeDataHeader(entry.streamId, piece.length, entry.fin && done));
      if (piece.length > 0) this.#transport.write(piece);
      if (done) entry.callback();
      else this.#waiting.push(entry);
    }
  }
}

function closedError(): Error {
  return new Error('the stream is closed');
}
