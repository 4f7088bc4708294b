import { constants, inflateRawSync } from 'node:zlib';
import { HEADER_DICTIONARY_ID, headerDictionary } from './dictionary.ts';
import { SpdyProtocolError } from './protocol-error.ts';

/** Names in lower case; of a header with several values the first, which is the one Go's `Header.Get` answers. */
export type SpdyHeaders = ReadonlyMap<string, string>;

/** Largest inflated header block in bytes. Kubernetes' streams carry three short headers; a zlib bomb ends here. */
const MAX_INFLATED_BYTES = 64 * 1024;
/** Most headers in one block. */
const MAX_HEADERS = 100;
/** zlib looks back this far at most. */
const WINDOW_BYTES = 32 * 1024;
/** A stored deflate block's length is a 16-bit number. */
const MAX_STORED_BYTES = 0xffff;
/** CMF (deflate, 32 KiB window) and FLG (a preset dictionary is used) of a zlib stream. */
const ZLIB_PREFIX_BYTES = 6;
/** An empty stored block. Go's reader hands out what it has only when it meets one. */
const SYNC_FLUSH = Buffer.of(0, 0, 0, 0xff, 0xff);

/**
 * Decompresses the header blocks of one direction of a connection. All of them are one zlib stream, each flushed to a byte
 * boundary: what one block leaves to the next is only the window of the last 32 KiB, so each is inflated by itself against it.
 *
 * INVARIANTS
 * - blocks are given in the order of their frames; after an error the stream is lost and the connection must end
 * - no block makes more than MAX_INFLATED_BYTES
 */
export class HeaderInflater {
  #window = headerDictionary();
  #started = false;

  /** @throws SpdyProtocolError */
  inflate(block: Buffer): SpdyHeaders {
    let compressed = block;
    if (!this.#started) {
      compressed = withoutZlibPrefix(block);
      this.#started = true;
    }
    let plain: Buffer;
    try {
      plain = inflateRawSync(compressed, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MAX_INFLATED_BYTES,
      });
    } catch (error) {
      throw new SpdyProtocolError('a header block cannot be decompressed', { cause: error });
    }
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW_BYTES);
    return parseHeaders(plain);
  }
}

/**
 * Makes the header blocks of one direction of a connection. The few short headers we send go out as stored deflate blocks:
 * any zlib reads them, and there is no compressor to keep in step with the frames.
 */
export class HeaderDeflater {
  #started = false;

  deflate(headers: SpdyHeaders): Buffer {
    const plain = serializeHeaders(headers);
    if (plain.length > MAX_STORED_BYTES) throw new SpdyProtocolError(`headers of ${plain.length} bytes are too long for one block`);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(~plain.length & 0xffff, 3);
    if (this.#started) return Buffer.concat([stored, plain, SYNC_FLUSH]);
    this.#started = true;
    const prefix = Buffer.from([0x78, 0x20, 0, 0, 0, 0]);
    prefix.writeUInt32BE(HEADER_DICTIONARY_ID, 2);
    return Buffer.concat([prefix, stored, plain, SYNC_FLUSH]);
  }
}

function withoutZlibPrefix(block: Buffer): Buffer {
  if (block.length < ZLIB_PREFIX_BYTES) throw new SpdyProtocolError('the first header block has no zlib header');
  const [method, flags] = [block.readUInt8(0), block.readUInt8(1)];
  const isZlibWithDictionary = (method & 0x0f) === 8 && (flags & 0x20) !== 0 && ((method << 8) | flags) % 31 === 0;
  if (!isZlibWithDictionary || block.readUInt32BE(2) !== HEADER_DICTIONARY_ID) {
    throw new SpdyProtocolError('the first header block is not a zlib stream with the SPDY/3 dictionary');
  }
  return block.subarray(ZLIB_PREFIX_BYTES);
}

function parseHeaders(plain: Buffer): SpdyHeaders {
  let at = 0;
  const readUint32 = (): number => {
    if (at + 4 > plain.length) throw new SpdyProtocolError('a header block ends in the middle of a length');
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const readText = (): string => {
    const length = readUint32();
    if (length > plain.length - at) throw new SpdyProtocolError('a header block ends in the middle of a header');
    at += length;
    return plain.toString('latin1', at - length, at);
  };
  const count = readUint32();
  if (count > MAX_HEADERS) throw new SpdyProtocolError(`a header block has ${count} headers, more than ${MAX_HEADERS}`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index += 1) {
    const name = readText().toLowerCase();
    const [value = ''] = readText().split('\0', 1);
    if (headers.has(name)) throw new SpdyProtocolError('a header block names a header twice');
    headers.set(name, value);
  }
  return headers;
}

function serializeHeaders(headers: SpdyHeaders): Buffer {
  const parts: Buffer[] = [uint32(headers.size)];
  for (const [name, value] of headers) {
    for (const text of [Buffer.from(name.toLowerCase(), 'latin1'), Buffer.from(value, 'latin1')]) parts.push(uint32(text.length), text);
  }
  return Buffer.concat(parts);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
