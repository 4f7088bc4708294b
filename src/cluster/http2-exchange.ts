/** One request on an HTTP/2 stream, from its headers to the end of the answer. */
import http2, { type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { UnavailableError } from '../lib/errors.ts';
import type { TransportResponse } from './transport.ts';

/** The session did not begin to work on the request: it is safe to send it again. */
export class RefusedStreamError extends UnavailableError {}

/** Bytes that wait for a reader before the stream is paused; then the flow-control window fills and the server waits. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/**
 * Reads the stream by its events: Node's own iteration over one fails when the answer has come in full before it begins, and takes a
 * connection that broke for the end of the answer.
 *
 * INVARIANTS: every byte is passed on once and in order; the end is reported only when the server said that it is the end.
 */
export class Http2Exchange {
  readonly #server: URL;
  readonly #stream: ClientHttp2Stream;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#cancel();
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #ended = false;
  #closed = false;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  /** To be made in the same turn as the stream. */
  constructor(server: URL, stream: ClientHttp2Stream, signal: AbortSignal) {
    this.#server = server;
    this.#stream = stream;
    this.#signal = signal;
    stream.on('error', (error: Error) => (this.#error ??= error));
    stream.once('end', () => (this.#ended = true));
    stream.once('close', () => {
      this.#closed = true;
      signal.removeEventListener('abort', this.#onAbort);
      this.#wake();
    });
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** @throws RefusedStreamError, UnavailableError, the signal's reason */
  response(): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      this.#stream.once('response', (headers) => {
        this.#stream.on('data', (chunk: Buffer) => this.#keep(chunk));
        resolve({ status: headers[':status'] ?? 0, header: (name) => textHeader(headers, name), body: this.#body() });
      });
      this.#stream.once('close', () => reject(this.#failure()));
    });
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered > MAX_BUFFERED_BYTES) this.#stream.pause();
    this.#wake();
  }

  async *#body(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#buffered -= chunk.length;
          if (this.#buffered === 0) this.#stream.resume();
          yield chunk;
        } else if (this.#signal.aborted) {
          throw this.#signal.reason;
        } else if (this.#closed) {
          if (this.#isComplete()) return;
          throw this.#failure();
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      this.#cancel();
    }
  }

  #isComplete(): boolean {
    const { aborted, rstCode } = this.#stream;
    return this.#ended && !aborted && this.#error === undefined && (rstCode ?? 0) === http2.constants.NGHTTP2_NO_ERROR;
  }

  #cancel(): void {
    if (this.#closed) return;
    if (!this.#stream.closed) this.#stream.close(http2.constants.NGHTTP2_CANCEL);
    this.#stream.destroy();
    this.#wake();
  }

  #failure(): Error {
    if (this.#signal.aborted) return this.#signal.reason as Error;
    if (this.#stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) {
      return new RefusedStreamError(`${this.#server.host} refused the request`, { cause: this.#error });
    }
    return connectionLost(this.#server, this.#error);
  }
}

/** The error for a connection that ended before its time. */
export function connectionLost(server: URL, cause: Error | undefined): UnavailableError {
  if (cause instanceof UnavailableError) return cause;
  return new UnavailableError(`the connection to ${server.host} was lost`, cause === undefined ? {} : { cause });
}

function textHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
