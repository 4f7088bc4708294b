import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../lib/clock.ts';
import { abortable } from '../../lib/abort.ts';
import { DeadlineExceededError, errorMessage, ResourceExhaustedError, UnavailableError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { IdleTimer } from '../idle-timer.ts';
import { MuxStream, type MuxStreamOwner } from '../mux-stream.ts';
import { FrameParser } from './frame-parser.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  GoAwayStatus,
  ResetStatus,
  type SpdyFrame,
} from './frames.ts';
import { HeaderDeflater, type SpdyHeaders } from './header-block.ts';
import { SpdyProtocolError } from './protocol-error.ts';

/** Data received and not yet read by our side, in bytes over all streams; beyond, the transport is not read: TCP pushes back. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Streams open at once; a forwarded connection takes two. Beyond, new ones are refused. */
const MAX_STREAMS = 2048;
/** How long a peer may take to answer a new stream (k8s.io/streaming createStreamResponseTimeout). */
const CREATE_STREAM_TIMEOUT_MS = 30_000;
/** How long the peer may take to close its end after we closed ours. */
const LINGER_MS = 10_000;
/** How long it may take to read the rest before: its user may look at the output in a pager. */
const MAX_FLUSH_MS = 4 * 60 * 60 * 1000;
/** While the transport is not read, a vanished peer shows only when something is written to it. */
const PROBE_INTERVAL_MS = 5_000;
const MAX_STREAM_ID = 0x7fffffff;

/** Takes a stream that the peer opened, after it was answered. */
export type StreamHandler = (stream: MuxStream) => void;

export interface SpdyConnectionOptions {
  /** A server's peer opens streams with odd ids, a client opens them itself. */
  readonly role: 'server' | 'client';
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the connection when no frame came or went for this long; none when undefined. */
  readonly idleTimeoutMs?: number;
  /** Decides about a stream that the peer opens; undefined refuses it. */
  readonly accept?: (headers: SpdyHeaders, streamId: number) => StreamHandler | undefined;
}

interface OpenStream {
  readonly stream: MuxStream;
  localClosed: boolean;
  remoteClosed: boolean;
  /** Set while the peer has not answered a stream of ours. */
  answered: ((accepted: boolean) => void) | undefined;
}

/**
 * A SPDY/3.1 connection as Kubernetes uses it (moby/spdystream): no flow-control windows in either direction, TCP pushes back
 * instead; header names are free.
 *
 * INVARIANTS
 * - nothing that arrives throws out of here: a broken peer ends its own connection only
 * - unread data is at most MAX_HELD_BYTES and one chunk of the transport; unsent answers are bounded by FrameWriter
 * - `signal` is aborted exactly once, and all streams are destroyed then
 * - a stream's data is never sent before its SYN_REPLY was
 */
export class SpdyConnection implements MuxStreamOwner {
  readonly #transport: Duplex;
  readonly #options: SpdyConnectionOptions;
  readonly #parser = new FrameParser();
  readonly #deflater = new HeaderDeflater();
  readonly #writer: FrameWriter;
  readonly #streams = new Map<number, OpenStream>();
  readonly #over = new AbortController();
  readonly #transportClosed: Promise<void>;
  readonly #idle: IdleTimer | undefined;
  #lastPeerStreamId = 0;
  #nextStreamId = 1;
  #peerLeaves = false;
  #heldBytes = 0;
  #probe: Timer | undefined;

  /** Takes the transport over; `head` are bytes of it that were read already. */
  constructor(transport: Duplex, head: Buffer, options: SpdyConnectionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#writer = new FrameWriter(transport);
    const { clock, idleTimeoutMs } = options;
    if (idleTimeoutMs !== undefined) {
      this.#idle = new IdleTimer(clock, idleTimeoutMs, () =>
        this.#end(new UnavailableError(`idle for ${idleTimeoutMs / 1000} s`), GoAwayStatus.ok),
      );
    }
    this.#transportClosed = new Promise((resolve) => transport.once('close', resolve));
    transport.on('error', (error: Error) => this.#end(new UnavailableError('the connection broke', { cause: error })));
    transport.on('end', () => this.#end(new UnavailableError('the peer closed the connection')));
    transport.on('close', () => this.#end(new UnavailableError('the connection was closed')));
    transport.on('drain', () => this.#updateReading());
    if (head.length > 0) transport.unshift(head);
    transport.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Aborted when the connection is over, for whatever reason. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Opens a stream and waits for the peer's answer.
   * @throws UnavailableError when the peer refuses it or is gone, DeadlineExceededError, ResourceExhaustedError
   */
  async openStream(headers: SpdyHeaders, signal: AbortSignal): Promise<MuxStream> {
    this.signal.throwIfAborted();
    if (this.#peerLeaves) throw new UnavailableError('the peer takes no more streams');
    if (this.#streams.size >= MAX_STREAMS || this.#nextStreamId > MAX_STREAM_ID) throw new ResourceExhaustedError('too many streams');
    const stream = new MuxStream(this, this.#nextStreamId);
    this.#nextStreamId += 2;
    const answer = new Promise<boolean>((resolve) => {
      this.#streams.set(stream.id, { stream, localClosed: false, remoteClosed: false, answered: resolve });
    });
    this.#writer.control(encodeSynStream(stream.id, headers, this.#deflater));
    const late = new AbortController();
    const deadline = new DeadlineExceededError('opening a SPDY stream', CREATE_STREAM_TIMEOUT_MS);
    const timer = this.#options.clock.after(CREATE_STREAM_TIMEOUT_MS, () => late.abort(deadline));
    try {
      const accepted = await abortable(answer, AbortSignal.any([signal, this.signal, late.signal]));
      if (!accepted) throw new UnavailableError('the peer refused the stream');
      return stream;
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** Resets what is open, says goodbye and closes the transport once the peer has it all. Resolves when it is closed. */
  async close(): Promise<void> {
    if (!this.signal.aborted) {
      for (const { stream } of [...this.#streams.values()]) stream.destroy();
      this.#end(new UnavailableError('the connection was closed by this side'), GoAwayStatus.ok, MAX_FLUSH_MS);
    }
    await this.#transportClosed;
  }

  sendData(stream: MuxStream, data: Buffer, fin: boolean, callback: (error?: Error | null) => void): void {
    this.#idle?.touch();
    this.#writer.data(stream.id, data, fin, (error) => {
      const open = this.#streams.get(stream.id);
      if (fin && !error && open !== undefined) {
        open.localClosed = true;
        this.#forgetIfClosed(open);
      }
      callback(error);
    });
  }

  heldChanged(bytes: number): void {
    this.#heldBytes += bytes;
    this.#updateReading();
  }

  streamDestroyed(stream: MuxStream): void {
    const open = this.#streams.get(stream.id);
    if (open === undefined) return;
    this.#streams.delete(stream.id);
    this.#writer.cancel(stream.id);
    this.#writer.control(encodeRstStream(stream.id, ResetStatus.cancel));
  }

  #receive(chunk: Buffer): void {
    if (this.signal.aborted) return; // lingering: the peer's last words are read only so that it reads ours
    this.#idle?.touch();
    try {
      for (const frame of this.#parser.push(chunk)) {
        this.#handle(frame);
        if (this.signal.aborted) return;
      }
    } catch (error) {
      this.#options.log.debug('SPDY connection ended by what its peer sent', { error: errorMessage(error) });
      this.#end(error, GoAwayStatus.protocolError);
      return;
    }
    this.#updateReading();
  }

  #handle(frame: SpdyFrame): void {
    switch (frame.type) {
      case 'synStream':
        this.#handleSynStream(frame.streamId, frame.flags, frame.headers);
        break;
      case 'data': {
        const open = this.#streams.get(frame.streamId);
        if (open === undefined || open.remoteClosed) break; // late data of a stream that was reset
        open.stream.receive(frame.data);
        if (frame.fin) this.#handleFin(open);
        break;
      }
      case 'synReply': {
        const open = this.#streams.get(frame.streamId);
        open?.answered?.(true);
        if (open !== undefined) open.answered = undefined;
        if (open !== undefined && (frame.flags & FLAG_FIN) !== 0) this.#handleFin(open);
        break;
      }
      case 'headers': {
        const open = this.#streams.get(frame.streamId);
        if (open !== undefined && (frame.flags & FLAG_FIN) !== 0) this.#handleFin(open);
        break;
      }
      case 'rstStream': {
        const open = this.#streams.get(frame.streamId);
        if (open !== undefined) this.#drop(open);
        break;
      }
      case 'ping': {
        const isAnswer = (frame.id % 2 === 0) === (this.#options.role === 'server');
        if (!isAnswer) this.#writer.control(encodePing(frame.id));
        break;
      }
      case 'goAway':
        this.#peerLeaves = true;
        if (this.#streams.size === 0) this.#end(new UnavailableError('the peer said goodbye'));
        break;
    }
  }

  #handleSynStream(streamId: number, flags: number, headers: SpdyHeaders): void {
    if (streamId === 0) throw new SpdyProtocolError('a SYN_STREAM frame names stream 0');
    const refuse = (status: number): void => this.#writer.control(encodeRstStream(streamId, status));
    const isPeers = (streamId % 2 === 1) === (this.#options.role === 'server');
    if (!isPeers || streamId <= this.#lastPeerStreamId || (flags & FLAG_UNIDIRECTIONAL) !== 0) {
      refuse(ResetStatus.protocolError);
      return;
    }
    this.#lastPeerStreamId = streamId;
    const handler = this.#streams.size < MAX_STREAMS ? this.#options.accept?.(headers, streamId) : undefined;
    if (handler === undefined) {
      refuse(ResetStatus.refusedStream);
      return;
    }
    const stream = new MuxStream(this, streamId);
    const open: OpenStream = { stream, localClosed: false, remoteClosed: false, answered: undefined };
    this.#streams.set(streamId, open);
    this.#writer.control(encodeSynReply(streamId, new Map(), this.#deflater));
    if ((flags & FLAG_FIN) !== 0) this.#handleFin(open);
    handler(stream);
  }

  #handleFin(open: OpenStream): void {
    if (open.remoteClosed) return;
    open.remoteClosed = true;
    open.stream.receiveEnd();
    this.#forgetIfClosed(open);
  }

  #forgetIfClosed(open: OpenStream): void {
    if (open.localClosed && open.remoteClosed) this.#streams.delete(open.stream.id);
  }

  /** The stream is over without our saying so to the peer. */
  #drop(open: OpenStream): void {
    this.#streams.delete(open.stream.id);
    this.#writer.cancel(open.stream.id);
    open.answered?.(false);
    // A runtime that is done resets its streams at once, the last of its output still unread; what a client takes back is void.
    if (this.#options.role === 'client') open.stream.destroyWhenRead();
    else open.stream.destroy();
  }

  #updateReading(): void {
    if (this.signal.aborted) return;
    const full = this.#heldBytes > MAX_HELD_BYTES || this.#writer.overloaded;
    const hasRoom = this.#heldBytes <= MAX_HELD_BYTES / 2 && !this.#writer.overloaded;
    if (full && !this.#transport.isPaused()) {
      this.#transport.pause();
      this.#armProbe();
    } else if (hasRoom && this.#transport.isPaused()) {
      this.#probe?.cancel();
      this.#transport.resume();
    }
  }

  #armProbe(): void {
    this.#probe?.cancel();
    this.#probe = this.#options.clock.after(PROBE_INTERVAL_MS, () => {
      if (!this.#writer.overloaded) this.#writer.control(encodePing(this.#options.role === 'server' ? 2 : 1));
      this.#armProbe();
    });
  }

  #end(reason: unknown, goAway?: number, flushMs = LINGER_MS): void {
    if (this.signal.aborted) return;
    this.#over.abort(reason);
    this.#idle?.cancel();
    this.#probe?.cancel();
    for (const open of [...this.#streams.values()]) this.#drop(open);
    if (goAway !== undefined) this.#writer.control(encodeGoAway(this.#lastPeerStreamId, goAway));
    this.#writer.close();
    if (this.#transport.closed) return;
    // Closing a socket with unread bytes in it resets the connection, and the peer loses what it has not read yet.
    this.#transport.resume();
    const destroyAfter = (ms: number): Timer => this.#options.clock.after(ms, () => this.#transport.destroy());
    let linger = destroyAfter(flushMs);
    this.#transport.once('close', () => linger.cancel());
    this.#transport.end(() => {
      linger.cancel();
      if (!this.#transport.destroyed) linger = destroyAfter(LINGER_MS);
    });
  }
}
