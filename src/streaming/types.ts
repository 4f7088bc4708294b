/**
 * What streaming means to the rest of the house, whatever protocol the client speaks: a remote command session (exec, attach)
 * and a port-forward session. SPDY/3.1 and WebSocket sessions look the same from here.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { AttachRequest, ExecRequest, PortForwardRequest, StreamingUrl } from '../runtime/types.ts';

/** The three arguments of node:http's `upgrade` event: whoever takes it owns the socket. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that arrived behind the request's header. */
  readonly head: Buffer;
}

/** Columns and rows of a terminal (client-go remotecommand.TerminalSize). */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** Which streams a client asks for; with a terminal there is no stderr of its own. */
export interface RemoteCommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The streams a command is joined to. Those that were not asked for are undefined. */
export interface RemoteCommandIo {
  /**
   * Ends when the client closes its side; destroyed when it is gone. It must be read: a command that stops reading needs
   * `resume()`, or the rest of the session waits behind what the client still sends.
   */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Newest terminal size first: sizes that were overtaken are not delivered. Ends with the session; one reader only. */
  readonly resize: AsyncIterable<TerminalSize>;
}

/** How a remote command ended; attach ends with exit code 0 when the container's streams end. */
export type RemoteCommandResult = { readonly exitCode: number } | { readonly error: string };

export interface RemoteCommandSession extends RemoteCommandIo {
  /** The negotiated sub-protocol, for example `v5.channel.k8s.io`; empty when the client named none. */
  readonly protocol: string;
  /** Aborted when the client is gone, the idle limit has passed or the session was finished. */
  readonly signal: AbortSignal;
  /**
   * Ends the output streams, sends the status on the error stream (v1.Status JSON from version 4 on, plain text before) and closes
   * the connection once all of it is on its way. Never rejects; a second call does nothing.
   */
  finish(result: RemoteCommandResult): Promise<void>;
}

/** One forwarded TCP connection. */
export interface PortForwardConnection {
  readonly port: number;
  readonly requestId: string;
  /** What the client's local connection carries; ends and may be ended one side at a time. */
  readonly data: Duplex;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Ends the data stream, sends `error` if there is one, and closes the pair. Never rejects; a second call does nothing. */
  finish(error?: string): Promise<void>;
}

export interface PortForwardSession {
  readonly protocol: string;
  /** Aborted when the client is gone, the idle limit has passed or the session was closed. */
  readonly signal: AbortSignal;
  /** Connections as the client opens them; ends with the session. One reader only. */
  readonly connections: AsyncIterable<PortForwardConnection>;
  /** Ends every connection and the session. */
  close(): void;
}

/** What the streaming server asks of a container runtime (k8s.io/cri-streaming Runtime). */
export interface StreamingRuntime {
  /**
   * Runs `cmd` in the container until it ends; answers its exit code. When the signal is aborted the client is gone and the
   * command must be killed. A rejection is reported to the client as an internal error.
   */
  exec(containerId: string, cmd: readonly string[], tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<number>;
  /** Joins the streams to the container's main process until either side ends. */
  attach(containerId: string, tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<void>;
  /** Joins `stream` to the port on localhost in the sandbox's network namespace until both directions have ended. */
  portForward(podSandboxId: string, port: number, stream: Duplex, signal: AbortSignal): Promise<void>;
}

/** The streaming server of a CRI runtime: one-use URLs for Exec, Attach and PortForward. */
export interface StreamingServer {
  /** Base URL, with the port that was chosen. */
  readonly baseUrl: string;
  /** @throws InvalidInputError, ResourceExhaustedError when too many URLs are unused */
  getExec(request: ExecRequest): StreamingUrl;
  getAttach(request: AttachRequest): StreamingUrl;
  getPortForward(request: PortForwardRequest): StreamingUrl;
  /** Stops listening, ends every session and resolves when the last handler has returned. */
  close(): Promise<void>;
}
