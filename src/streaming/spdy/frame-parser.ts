import { FLAG_FIN, FRAME_HEADER_BYTES, FrameType, type SpdyFrame } from './frames.ts';
import { HeaderInflater, type SpdyHeaders } from './header-block.ts';
import { SpdyProtocolError } from './protocol-error.ts';

/** Longest payload of a control frame, in bytes. Kubernetes' are some hundred. */
const MAX_CONTROL_BYTES = 64 * 1024;

const STREAM_ID_MASK = 0x7fffffff;
const SPDY_VERSION = 3;

type Step =
  | { readonly kind: 'header' }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number }
  | { readonly kind: 'data'; readonly streamId: number; readonly fin: boolean; left: number }
  | { readonly kind: 'skip'; left: number };

/**
 * Cuts the bytes of one direction of a connection into frames, however they are split on the way.
 *
 * INVARIANTS
 * - holds at most one control frame (MAX_CONTROL_BYTES); data passes through in the pieces in which it arrives
 * - header blocks are inflated in the order of their frames, also those of frames that nobody asked for
 * - after a SpdyProtocolError it must not be used again
 */
export class FrameParser {
  readonly #inflater = new HeaderInflater();
  #step: Step = { kind: 'header' };
  #held = Buffer.alloc(FRAME_HEADER_BYTES);
  #heldBytes = 0;

  /** Frames that `chunk` completes; parses on only as it is iterated. @throws SpdyProtocolError */
  *push(chunk: Buffer): Generator<SpdyFrame, void, void> {
    let rest = chunk;
    while (rest.length > 0) {
      const step = this.#step;
      if (step.kind === 'skip' || step.kind === 'data') {
        const piece = rest.subarray(0, step.left);
        rest = rest.subarray(piece.length);
        step.left -= piece.length;
        if (step.left === 0) this.#hold({ kind: 'header' }, FRAME_HEADER_BYTES);
        if (step.kind === 'data') {
          yield { type: 'data', streamId: step.streamId, fin: step.fin && step.left === 0, data: compact(piece, chunk) };
        }
        continue;
      }
      const copied = rest.copy(this.#held, this.#heldBytes);
      rest = rest.subarray(copied);
      this.#heldBytes += copied;
      if (this.#heldBytes < this.#held.length) continue;
      const whole = this.#held;
      this.#hold({ kind: 'header' }, FRAME_HEADER_BYTES);
      const frame = step.kind === 'header' ? this.#readHeader(whole) : this.#readControl(step.type, step.flags, whole);
      if (frame !== undefined) yield frame;
    }
  }

  /** Collects the next `bytes` bytes as a whole. */
  #hold(step: Step, bytes: number): void {
    this.#step = step;
    this.#held = Buffer.alloc(bytes);
    this.#heldBytes = 0;
  }

  #readHeader(bytes: Buffer): SpdyFrame | undefined {
    const first = bytes.readUInt32BE(0);
    const flags = bytes.readUInt8(4);
    const length = bytes.readUIntBE(5, 3);
    if (first <= STREAM_ID_MASK) {
      if (first === 0) throw new SpdyProtocolError('a DATA frame names stream 0');
      const fin = (flags & FLAG_FIN) !== 0;
      if (length === 0) return { type: 'data', streamId: first, fin, data: Buffer.alloc(0) };
      this.#step = { kind: 'data', streamId: first, fin, left: length };
      return undefined;
    }
    const version = (first >>> 16) & 0x7fff;
    const type = first & 0xffff;
    if (version !== SPDY_VERSION) throw new SpdyProtocolError(`a control frame is of version ${version}`);
    if (!isMeaningful(type)) {
      if (length > 0) this.#step = { kind: 'skip', left: length };
      return undefined;
    }
    if (length > MAX_CONTROL_BYTES) throw new SpdyProtocolError(`a control frame has ${length} bytes, more than ${MAX_CONTROL_BYTES}`);
    if (length === 0) return this.#readControl(type, flags, Buffer.alloc(0));
    this.#hold({ kind: 'control', type, flags }, length);
    return undefined;
  }

  #readControl(type: number, flags: number, payload: Buffer): SpdyFrame {
    const word = (offset: number): number => {
      if (payload.length < offset + 4) throw new SpdyProtocolError(`a control frame of type ${type} is too short`);
      return payload.readUInt32BE(offset);
    };
    switch (type) {
      case FrameType.synStream:
        return { type: 'synStream', streamId: word(0) & STREAM_ID_MASK, flags, headers: this.#headers(payload, 10) };
      case FrameType.synReply:
        return { type: 'synReply', streamId: word(0) & STREAM_ID_MASK, flags, headers: this.#headers(payload, 4) };
      case FrameType.headers:
        return { type: 'headers', streamId: word(0) & STREAM_ID_MASK, flags, headers: this.#headers(payload, 4) };
      case FrameType.rstStream:
        return { type: 'rstStream', streamId: word(0) & STREAM_ID_MASK, status: word(4) };
      case FrameType.ping:
        return { type: 'ping', id: word(0) };
      default:
        return { type: 'goAway', lastGoodStreamId: word(0) & STREAM_ID_MASK, status: word(4) };
    }
  }

  #headers(payload: Buffer, offset: number): SpdyHeaders {
    if (payload.length < offset) throw new SpdyProtocolError('a frame with headers is too short');
    return this.#inflater.inflate(payload.subarray(offset));
  }
}

function isMeaningful(type: number): boolean {
  return Object.values(FrameType).some((known) => known === type);
}

/** A small piece is copied out, so that waiting for its reader it does not hold the whole chunk it came in. */
function compact(piece: Buffer, chunk: Buffer): Buffer {
  return piece.length * 2 < chunk.length ? Buffer.from(piece) : piece;
}
