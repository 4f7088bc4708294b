import { Duplex } from 'node:stream';

/** Received data is handed on in pieces of about this many bytes: many tiny frames become one piece. */
const PIECE_BYTES = 64 * 1024;
/** What holding one received piece costs beside its bytes: its Buffer object and list entry. */
const PIECE_OVERHEAD_BYTES = 256;

/** What a stream needs of the connection that carries it. */
export interface MuxStreamOwner {
  /** Sends data, and the end behind it if `fin`; calls back once it left the stream's hands. */
  sendData(stream: MuxStream, data: Buffer, fin: boolean, callback: (error?: Error | null) => void): void;
  /** The cost of what the stream holds unread changed by `bytes`. */
  heldChanged(bytes: number): void;
  /** The stream was destroyed; if it is still open on either side the peer must be told. */
  streamDestroyed(stream: MuxStream): void;
}

/**
 * One of the streams that share a connection. Ending the writable side tells the peer, and the peer's end ends the readable side.
 * Destroyed without an error when the peer resets it or the connection ends.
 *
 * INVARIANTS
 * - node:stream's own buffer holds at most one received piece; the rest waits here and is counted to the owner
 * - what is counted is given back exactly once: when read, or when destroyed
 */
export class MuxStream extends Duplex {
  readonly id: number;
  readonly #owner: MuxStreamOwner;
  #waiting: Buffer[] = [];
  #waitingCost = 0;
  #reading = false;
  #remoteEnded = false;

  constructor(owner: MuxStreamOwner, id: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.id = id;
    this.#owner = owner;
    // What a peer does to a stream may never end the process: those who care listen themselves.
    this.on('error', () => undefined);
  }

  /** Data that the peer sent. */
  receive(data: Buffer): void {
    if (this.destroyed || data.length === 0) return;
    if (this.#reading) {
      this.#reading = false;
      this.push(data);
      return;
    }
    this.#waiting.push(data);
    this.#count(data.length + PIECE_OVERHEAD_BYTES);
  }

  /** The peer ended its side. */
  receiveEnd(): void {
    if (this.#remoteEnded) return;
    this.#remoteEnded = true;
    if (this.#reading) this.push(null);
  }

  /** The peer is done with both sides: destroyed as soon as what it sent before has been read. */
  destroyWhenRead(): void {
    if (this.#waiting.length === 0 && this.readableLength === 0) {
      this.destroy();
      return;
    }
    this.once('end', () => this.destroy());
    this.receiveEnd();
  }

  override _read(): void {
    const pieces: Buffer[] = [];
    let bytes = 0;
    while (bytes < PIECE_BYTES) {
      const piece = this.#waiting[pieces.length];
      if (piece === undefined) break;
      pieces.push(piece);
      bytes += piece.length;
    }
    if (pieces.length > 0) {
      this.#waiting = this.#waiting.slice(pieces.length);
      this.#count(-(bytes + pieces.length * PIECE_OVERHEAD_BYTES));
      this.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, bytes));
    } else if (this.#remoteEnded) this.push(null);
    else this.#reading = true;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#owner.sendData(this, chunk, false, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#owner.sendData(this, Buffer.alloc(0), true, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#waiting = [];
    this.#count(-this.#waitingCost);
    this.#owner.streamDestroyed(this);
    callback(error);
  }

  #count(bytes: number): void {
    this.#waitingCost += bytes;
    if (bytes !== 0) this.#owner.heldChanged(bytes);
  }
}
