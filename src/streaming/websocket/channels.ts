import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../../lib/clock.ts';
import { UnavailableError } from '../../lib/errors.ts';
import { IdleTimer } from '../idle-timer.ts';
import { MuxStream, type MuxStreamOwner } from '../mux-stream.ts';
import { CHANNEL_CLOSE, isBase64 } from '../protocols.ts';

/** Messages received and not yet read by our side, in bytes over all channels; beyond, the socket is not read. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Longest message that we send, in bytes: a busy channel lets the others in after each. */
const MAX_MESSAGE_BYTES = 64 * 1024;
/** While the socket is not read, a vanished client shows only when something is written to it. */
const PROBE_INTERVAL_MS = 5_000;
/** WebSocket close code of a normal end; client-go takes any other for an error. */
const CLOSE_NORMAL = 1000;
const CLOSE_GOING_AWAY = 1001;
const ZERO = '0'.charCodeAt(0);

export interface WebSocketChannelsOptions {
  readonly protocol: string;
  readonly clock: Clock;
  readonly idleTimeoutMs: number;
}

/**
 * Numbered channels over one WebSocket: each message begins with its channel's number, as a byte or, in the base64 protocols, as
 * a digit (k8s.io/streaming httpstream/wsstream/conn.go). Version 5 lets the client end a channel.
 *
 * INVARIANTS
 * - nothing that arrives throws out of here; messages for channels that do not exist are dropped
 * - unread data is at most MAX_HELD_BYTES and one message
 * - `signal` is aborted exactly once, and all channels are over then
 */
export class WebSocketChannels implements MuxStreamOwner {
  readonly #webSocket: WebSocket;
  readonly #options: WebSocketChannelsOptions;
  readonly #base64: boolean;
  readonly #channels = new Map<number, MuxStream>();
  readonly #over = new AbortController();
  readonly #idle: IdleTimer;
  readonly #closed: Promise<void>;
  #heldBytes = 0;
  #probe: Timer | undefined;

  constructor(webSocket: WebSocket, options: WebSocketChannelsOptions) {
    this.#webSocket = webSocket;
    this.#options = options;
    this.#base64 = isBase64(options.protocol);
    const { clock, idleTimeoutMs } = options;
    this.#idle = new IdleTimer(clock, idleTimeoutMs, () => {
      webSocket.close(CLOSE_GOING_AWAY, 'idle');
      this.#end(new UnavailableError(`idle for ${idleTimeoutMs / 1000} s`));
    });
    this.#closed = new Promise((resolve) => webSocket.once('close', () => resolve()));
    webSocket.on('error', (error) => this.#end(new UnavailableError('the WebSocket broke', { cause: error })));
    webSocket.on('close', () => this.#end(new UnavailableError('the client closed the WebSocket')));
    // binaryType is left at nodebuffer, with which ws hands every message over as a Buffer.
    webSocket.on('message', (message) => this.#receive(message instanceof Buffer ? message : Buffer.alloc(0)));
  }

  /** Aborted when the connection is over, for whatever reason. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Opens channel `id`; ending its writable side only ends our use of it. */
  channel(id: number): MuxStream {
    const stream = new MuxStream(this, id);
    this.#channels.set(id, stream);
    return stream;
  }

  /** Closes the WebSocket behind what was sent. Resolves when it is closed. */
  async close(): Promise<void> {
    this.#webSocket.close(CLOSE_NORMAL);
    this.#end(new UnavailableError('the WebSocket was closed by this side'));
    await this.#closed;
  }

  sendData(stream: MuxStream, data: Buffer, fin: boolean, callback: (error?: Error | null) => void): void {
    if (fin || this.signal.aborted) {
      callback(fin ? null : new Error('the WebSocket is closed'));
      return;
    }
    this.#idle.touch();
    const piece = data.subarray(0, MAX_MESSAGE_BYTES);
    this.#webSocket.send(this.#encode(stream.id, piece), (error) => {
      if (error || piece.length === data.length) callback(error);
      else this.sendData(stream, data.subarray(piece.length), false, callback);
    });
  }

  /** Sends an empty message, which tells the client that the channel is there. */
  announce(stream: MuxStream): void {
    this.#webSocket.send(this.#encode(stream.id, Buffer.alloc(0)));
  }

  heldChanged(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.signal.aborted) return;
    if (this.#heldBytes > MAX_HELD_BYTES && !this.#webSocket.isPaused) {
      this.#webSocket.pause();
      this.#armProbe();
    } else if (this.#heldBytes <= MAX_HELD_BYTES / 2 && this.#webSocket.isPaused) {
      this.#probe?.cancel();
      this.#webSocket.resume();
    }
  }

  streamDestroyed(stream: MuxStream): void {
    this.#channels.delete(stream.id);
  }

  #encode(id: number, data: Buffer): Buffer | string {
    if (this.#base64) return String.fromCharCode(ZERO + id) + data.toString('base64');
    return Buffer.concat([Buffer.of(id), data]);
  }

  #receive(message: Buffer): void {
    const first = message[0];
    if (this.signal.aborted || first === undefined) return;
    this.#idle.touch();
    if (first === CHANNEL_CLOSE && this.#options.protocol.startsWith('v5.')) {
      const ended = message[1];
      if (ended !== undefined) this.#channels.get(ended)?.receiveEnd();
      return;
    }
    const stream = this.#channels.get(this.#base64 ? first - ZERO : first);
    const data = message.subarray(1);
    stream?.receive(this.#base64 ? Buffer.from(data.toString('latin1'), 'base64') : data);
  }

  #armProbe(): void {
    this.#probe?.cancel();
    this.#probe = this.#options.clock.after(PROBE_INTERVAL_MS, () => {
      this.#webSocket.ping();
      this.#armProbe();
    });
  }

  #end(reason: Error): void {
    if (this.signal.aborted) return;
    this.#over.abort(reason);
    this.#idle.cancel();
    this.#probe?.cancel();
    for (const stream of [...this.#channels.values()]) stream.destroy();
    this.#webSocket.resume(); // its closing handshake has to be read
  }
}
