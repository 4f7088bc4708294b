import { UnavailableError } from '../lib/errors.ts';
import { AsyncQueue } from './async-queue.ts';
import type { MuxStream } from './mux-stream.ts';
import type { SessionConnection } from './remote-command-session.ts';
import { endStream } from './streams-end.ts';
import type { PortForwardConnection, PortForwardSession } from './types.ts';

/** More connections than this cannot be open, as each takes two of a SPDY connection's streams. */
const MAX_CONNECTIONS = 1024;

/** A port-forward session over any protocol. */
export class ProtocolPortForwardSession implements PortForwardSession {
  readonly protocol: string;
  readonly #connection: SessionConnection;
  readonly #queue = new AsyncQueue<PortForwardConnection>(MAX_CONNECTIONS);

  constructor(protocol: string, connection: SessionConnection) {
    this.protocol = protocol;
    this.#connection = connection;
    if (connection.signal.aborted) this.#queue.end();
    else connection.signal.addEventListener('abort', () => this.#queue.end(), { once: true });
  }

  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  get connections(): AsyncIterable<PortForwardConnection> {
    return this.#queue;
  }

  add(connection: PortForwardConnection): void {
    this.#queue.push(connection);
  }

  close(): void {
    void this.#connection.close();
  }
}

/** One forwarded connection: a data stream and an error stream. */
export class StreamPair implements PortForwardConnection {
  readonly port: number;
  readonly requestId: string;
  readonly data: MuxStream;
  readonly #error: MuxStream;
  readonly #gone = new AbortController();
  readonly #onFinish: (() => void) | undefined;
  #finished = false;

  /** `onFinish` is called when the pair is closed from this side. */
  constructor(port: number, requestId: string, data: MuxStream, error: MuxStream, onFinish?: () => void) {
    this.port = port;
    this.requestId = requestId;
    this.data = data;
    this.#error = error;
    this.#onFinish = onFinish;
    error.resume(); // nothing is expected from the client on it
    const onClose = (): void => this.#gone.abort(new UnavailableError('the client closed the connection'));
    if (data.destroyed) onClose();
    else data.once('close', onClose);
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  async finish(error?: string): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await endStream(this.data);
    this.data.destroy();
    await endStream(this.#error, error === undefined ? undefined : Buffer.from(error));
    this.#error.destroy();
    this.#onFinish?.();
  }
}
