import type { HeaderDeflater, SpdyHeaders } from './header-block.ts';

/** Bytes in front of every frame's payload. */
export const FRAME_HEADER_BYTES = 8;

/** Control frame types of SPDY/3.1 that mean something here. */
export const FrameType = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7, headers: 8 } as const;

export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;

/** Status codes of RST_STREAM that we send. */
export const ResetStatus = { protocolError: 1, refusedStream: 3, cancel: 5 } as const;

/** Status codes of GOAWAY that we send. */
export const GoAwayStatus = { ok: 0, protocolError: 1 } as const;

/**
 * What arrives. The payload of a DATA frame comes in the pieces in which it arrived, so that a frame of 16 MiB is never held
 * as a whole; `fin` is on the last. SETTINGS, WINDOW_UPDATE, CREDENTIAL and unknown frames are not reported.
 */
export type SpdyFrame =
  | { readonly type: 'synStream'; readonly streamId: number; readonly flags: number; readonly headers: SpdyHeaders }
  | { readonly type: 'synReply'; readonly streamId: number; readonly flags: number; readonly headers: SpdyHeaders }
  | { readonly type: 'headers'; readonly streamId: number; readonly flags: number; readonly headers: SpdyHeaders }
  | { readonly type: 'rstStream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastGoodStreamId: number; readonly status: number }
  | { readonly type: 'data'; readonly streamId: number; readonly fin: boolean; readonly data: Buffer };

export function encodeSynStream(streamId: number, headers: SpdyHeaders, deflater: HeaderDeflater): Buffer {
  const fixed = Buffer.alloc(10); // stream, associated stream, priority and slot
  fixed.writeUInt32BE(streamId, 0);
  return controlFrame(FrameType.synStream, Buffer.concat([fixed, deflater.deflate(headers)]));
}

export function encodeSynReply(streamId: number, headers: SpdyHeaders, deflater: HeaderDeflater): Buffer {
  return controlFrame(FrameType.synReply, Buffer.concat([words(streamId), deflater.deflate(headers)]));
}

export function encodeRstStream(streamId: number, status: number): Buffer {
  return controlFrame(FrameType.rstStream, words(streamId, status));
}

export function encodePing(id: number): Buffer {
  return controlFrame(FrameType.ping, words(id));
}

export function encodeGoAway(lastGoodStreamId: number, status: number): Buffer {
  return controlFrame(FrameType.goAway, words(lastGoodStreamId, status));
}

/** What stands in front of `length` bytes of data. */
export function encodeDataHeader(streamId: number, length: number, fin: boolean): Buffer {
  return words(streamId, ((fin ? FLAG_FIN : 0) * 2 ** 24 + length) >>> 0);
}

function controlFrame(type: number, payload: Buffer): Buffer {
  return Buffer.concat([words((0x80030000 | type) >>> 0, payload.length), payload]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}
