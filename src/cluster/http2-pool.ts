/** HTTP/2 sessions to one server: as many as its limit of concurrent streams needs, each checked with pings. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { abortable, withDeadline } from '../lib/abort.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { ResourceExhaustedError, UnavailableError } from '../lib/errors.ts';
import { dialTls, tlsClientOptions, type TlsClientOptions } from './connection.ts';
import type { ClusterAccess, TlsMaterial } from './credentials.ts';
import { Http2Exchange, RefusedStreamError, connectionLost } from './http2-exchange.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';

export interface Http2PoolOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly maxSessions: number;
}

/** The server chose HTTP/1.1 in the TLS handshake. */
export class Http2RefusedError extends Error {}

/** As client-go's transports (apimachinery pkg/util/net/http.go: ReadIdleTimeout and PingTimeout). */
const PING_INTERVAL_MS = 30_000;
const PING_DEADLINE_MS = 15_000;
/** Between a connection that failed and the next: hundreds of watches must not each knock on a closed door. */
const RECONNECT_INTERVAL_MS = 500;
/** What an API server allows when it does not say. */
const DEFAULT_MAX_STREAMS = 100;
/** TCP, TLS and the server's settings. */
const CONNECT_DEADLINE_MS = 30_000;
/** How often one request is moved to another session after a session has refused to start it. */
const MAX_REFUSALS = 3;
/** A window for the whole session that no list fills in one round trip of a slow link; Node's default is 64 KiB. */
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024;
const STREAM_WINDOW_BYTES = 1024 * 1024;
/** MiB that a session may hold; a hundred streams with full windows. */
const MAX_SESSION_MEMORY = 128;

interface PooledSession {
  readonly session: ClientHttp2Session;
  readonly generation: number;
  readonly maxStreams: number;
  /** Streams that are open or promised. */
  open: number;
}

/**
 * INVARIANTS
 * - A session never has more streams than the server allows: nothing queues inside Node.
 * - At most one connection is being made at a time; who waits for it shares its failure.
 * - A session that is closed, draining (GOAWAY) or made with other credentials gets no new stream.
 * - A session that does not answer a ping in time is destroyed with everything on it.
 */
export class Http2Pool {
  readonly #options: Http2PoolOptions;
  readonly #sessions = new Set<PooledSession>();
  readonly #lifetime = new AbortController();
  #connecting: Promise<void> | undefined;
  #failedAt: number | undefined;
  #tls: { readonly generation: number; readonly options: TlsClientOptions } | undefined;

  constructor(options: Http2PoolOptions) {
    this.#options = options;
  }

  /** Number of sessions that take requests. */
  get size(): number {
    return this.#sessions.size;
  }

  /** @throws UnavailableError, ResourceExhaustedError, Http2RefusedError, the signal's reason */
  async send(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    for (let refusals = 1; ; refusals += 1) {
      const pooled = await this.#acquire(signal);
      try {
        return await this.#start(pooled, request, signal);
      } catch (error) {
        if (!(error instanceof RefusedStreamError) || refusals >= MAX_REFUSALS) throw error;
      }
    }
  }

  close(): void {
    this.#lifetime.abort(new UnavailableError('the API client is closed'));
    for (const { session } of this.#sessions) session.destroy();
  }

  /** A session with room, its stream counted already. */
  async #acquire(signal: AbortSignal): Promise<PooledSession> {
    for (;;) {
      const tls = await this.#options.access.tls(signal);
      signal.throwIfAborted();
      this.#lifetime.signal.throwIfAborted();
      const pooled = this.#fullestWithRoom(tls.generation);
      if (pooled !== undefined) {
        pooled.open += 1;
        return pooled;
      }
      if (this.#sessions.size >= this.#options.maxSessions) {
        throw new ResourceExhaustedError(`${this.#options.maxSessions} connections to the API server are full`);
      }
      this.#connecting ??= this.#connectOnce().finally(() => (this.#connecting = undefined));
      await abortable(this.#connecting, signal);
    }
  }

  /** Connects, but not sooner than an interval after the last failure. */
  async #connectOnce(): Promise<void> {
    const { clock, access } = this.#options;
    const pauseMs = this.#failedAt === undefined ? 0 : this.#failedAt + RECONNECT_INTERVAL_MS - clock.monotonic();
    if (pauseMs > 0) await clock.sleep(pauseMs, this.#lifetime.signal);
    try {
      this.#adopt(await this.#connect(await access.tls(this.#lifetime.signal)));
      this.#failedAt = undefined;
    } catch (error) {
      this.#failedAt = clock.monotonic();
      throw error;
    }
  }

  /** Full sessions first, so that the others can become empty and be closed. */
  #fullestWithRoom(generation: number): PooledSession | undefined {
    let best: PooledSession | undefined;
    for (const pooled of this.#sessions) {
      if (pooled.generation !== generation) this.#retire(pooled);
      else if (pooled.open < pooled.maxStreams && (best === undefined || pooled.open > best.open)) best = pooled;
    }
    return best;
  }

  async #connect(tls: TlsMaterial): Promise<PooledSession> {
    const { access, clock } = this.#options;
    const signal = this.#lifetime.signal;
    return withDeadline(clock, `connecting to ${access.server.host}`, CONNECT_DEADLINE_MS, signal, async (inner) => {
      const socket = await dialTls(this.#tlsOptions(tls), ['h2', 'http/1.1'], inner);
      if (socket.alpnProtocol !== 'h2') {
        socket.destroy();
        throw new Http2RefusedError(`${access.server.host} does not speak HTTP/2`);
      }
      const session = await this.#openSession(socket, inner);
      const maxStreams = Math.max(1, session.remoteSettings.maxConcurrentStreams ?? DEFAULT_MAX_STREAMS);
      return { session, generation: tls.generation, maxStreams, open: 0 };
    });
  }

  #tlsOptions(material: TlsMaterial): TlsClientOptions {
    const { generation } = material;
    if (this.#tls?.generation !== generation) {
      this.#tls = { generation, options: tlsClientOptions(this.#options.access.server, material) };
    }
    return this.#tls.options;
  }

  /** Waits for the server's settings: only they say how many streams it allows. */
  #openSession(socket: TLSSocket, signal: AbortSignal): Promise<ClientHttp2Session> {
    return new Promise((resolve, reject) => {
      const session = http2.connect(this.#options.access.server, {
        createConnection: () => socket,
        maxSessionMemory: MAX_SESSION_MEMORY,
        settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      });
      const fail = (error?: Error): void => {
        session.destroy();
        reject(signal.aborted ? (signal.reason as Error) : connectionLost(this.#options.access.server, error));
      };
      const onAbort = (): void => fail();
      signal.addEventListener('abort', onAbort, { once: true });
      session.on('error', fail);
      session.once('close', fail);
      session.once('remoteSettings', () => {
        signal.removeEventListener('abort', onAbort);
        session.off('close', fail);
        session.setLocalWindowSize(SESSION_WINDOW_BYTES);
        resolve(session);
      });
    });
  }

  #adopt(pooled: PooledSession): void {
    const { session } = pooled;
    this.#sessions.add(pooled);
    const leave = (): void => void this.#sessions.delete(pooled);
    session.on('goaway', leave);
    session.on('error', leave); // the streams report it
    const pings = this.#pingFrom(session);
    session.once('close', () => {
      leave();
      pings.cancel();
    });
    if (session.closed || session.destroyed) leave();
  }

  #pingFrom(session: ClientHttp2Session): Timer {
    const { clock, access } = this.#options;
    let timer: Timer;
    const tick = (): void => {
      timer = clock.after(PING_DEADLINE_MS, () => {
        session.destroy(new UnavailableError(`${access.server.host} did not answer a ping within ${PING_DEADLINE_MS / 1000} s`));
      });
      try {
        session.ping((error) => {
          timer.cancel();
          if (error === null && !session.destroyed) timer = clock.after(PING_INTERVAL_MS, tick);
        });
      } catch {
        timer.cancel(); // closed meanwhile: the session's own end is on its way
      }
    };
    timer = clock.after(PING_INTERVAL_MS, tick);
    const cancel = (): void => timer.cancel();
    return { cancel, [Symbol.dispose]: cancel };
  }

  #retire(pooled: PooledSession): void {
    this.#sessions.delete(pooled);
    pooled.session.close(); // lets the streams finish
  }

  async #start(pooled: PooledSession, request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    const release = (): void => {
      pooled.open -= 1;
      if (pooled.open === 0 && this.#sessions.size > 1 && this.#sessions.has(pooled)) this.#retire(pooled);
    };
    let stream: ClientHttp2Stream;
    try {
      stream = pooled.session.request(
        { ':method': request.method, ':path': request.path, ...request.headers },
        { endStream: request.body === undefined },
      );
    } catch (error) {
      pooled.open -= 1;
      this.#sessions.delete(pooled); // closed between being chosen and being used
      throw new RefusedStreamError('the session is closed', { cause: error });
    }
    stream.once('close', release);
    const exchange = new Http2Exchange(this.#options.access.server, stream, signal);
    if (request.body !== undefined) stream.end(request.body);
    return exchange.response();
  }
}
