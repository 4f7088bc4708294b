import type { MuxStream } from './mux-stream.ts';
import { readResizeEvents } from './resize-events.ts';
import { encodeStatus, statusOf, type StreamStatus } from './status.ts';
import { endStream } from './streams-end.ts';
import type { RemoteCommandResult, RemoteCommandSession, TerminalSize } from './types.ts';

/** The streams of a session as its protocol carries them. */
export interface RemoteCommandChannels {
  readonly stdin: MuxStream | undefined;
  readonly stdout: MuxStream | undefined;
  readonly stderr: MuxStream | undefined;
  readonly error: MuxStream;
  readonly resize: MuxStream | undefined;
}

/** What carries a session. */
export interface SessionConnection {
  readonly signal: AbortSignal;
  /** Never rejects. */
  close(): Promise<void>;
}

/** A remote command session over any protocol. */
export class ProtocolSession implements RemoteCommandSession {
  readonly protocol: string;
  readonly stdin: MuxStream | undefined;
  readonly stdout: MuxStream | undefined;
  readonly stderr: MuxStream | undefined;
  readonly resize: AsyncIterable<TerminalSize>;
  readonly #error: MuxStream;
  readonly #connection: SessionConnection;
  #finished = false;

  constructor(protocol: string, channels: RemoteCommandChannels, connection: SessionConnection) {
    this.protocol = protocol;
    this.stdin = channels.stdin;
    this.stdout = channels.stdout;
    this.stderr = channels.stderr;
    this.#error = channels.error;
    this.#connection = connection;
    this.resize = readResizeEvents(channels.resize, connection.signal);
    // Nothing is expected from the client here, and what it sends all the same must not wait for a reader.
    for (const output of [channels.stdout, channels.stderr, channels.error]) output?.resume();
  }

  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  /** Ends the session without a status. */
  close(): void {
    void this.#connection.close();
  }

  finish(result: RemoteCommandResult): Promise<void> {
    return this.finishWith(statusOf(result));
  }

  /** As {@link finish}, with a status that is already one. */
  async finishWith(status: StreamStatus): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await Promise.all([this.stdout, this.stderr].map(async (output) => (output === undefined ? undefined : endStream(output))));
    await endStream(this.#error, encodeStatus(status, this.protocol));
    await this.#connection.close();
  }
}
