import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, InvalidInputError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AttachRequest, ExecRequest, PortForwardRequest, StreamingUrl } from '../runtime/types.ts';
import { answerHttp } from './http-answer.ts';
import { acceptPortForward } from './port-forward.ts';
import {
  acceptRemoteCommand,
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_STREAM_CREATION_TIMEOUT_MS,
  type SessionSettings,
} from './remote-command.ts';
import { RequestCache } from './request-cache.ts';
import type { PortForwardConnection, RemoteCommandResult, RemoteCommandSession, StreamingRuntime, StreamingServer } from './types.ts';

/** How long an unused URL lives (k8s.io/cri-streaming request_cache.go cacheTTL). */
export const DEFAULT_TOKEN_LIFETIME_MS = 60_000;
/** URLs that may be unused at once (request_cache.go maxInFlight). */
export const DEFAULT_MAX_TOKENS = 1000;
/** Connections at once, used URLs and those that only knock. */
const MAX_CONNECTIONS = 2048;

export interface StreamingServerSettings {
  readonly runtime: StreamingRuntime;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where to listen; 127.0.0.1 and a free port when undefined. */
  readonly address?: { readonly host: string; readonly port: number };
  readonly tokenLifetimeMs?: number;
  readonly maxTokens?: number;
  readonly idleTimeoutMs?: number;
  readonly streamCreationTimeoutMs?: number;
}

type CachedRequest =
  | { readonly verb: 'exec'; readonly request: ExecRequest }
  | { readonly verb: 'attach'; readonly request: AttachRequest }
  | { readonly verb: 'portforward'; readonly request: PortForwardRequest };

/**
 * Starts the streaming server of a container runtime (k8s.io/cri-streaming server.go). Resolves once it listens; aborting the
 * signal closes it.
 */
export async function createStreamingServer(settings: StreamingServerSettings, signal: AbortSignal): Promise<StreamingServer> {
  signal.throwIfAborted();
  const { host, port } = settings.address ?? { host: '127.0.0.1', port: 0 };
  const server = createServer({ keepAlive: true, noDelay: true });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const streaming = new HttpStreamingServer(server, settings);
  signal.addEventListener('abort', () => void streaming.close(), { once: true });
  return streaming;
}

/**
 * INVARIANTS
 * - a URL is served once
 * - whatever a handler does, its client gets a status or a closed connection, and the server goes on
 * - `close` resolves when no handler runs any more
 */
class HttpStreamingServer implements StreamingServer {
  readonly baseUrl: string;
  readonly #server: Server;
  readonly #runtime: StreamingRuntime;
  readonly #log: Logger;
  readonly #requests: RequestCache<CachedRequest>;
  readonly #session: SessionSettings;
  readonly #closing = new AbortController();
  readonly #handlers = new Set<Promise<void>>();

  constructor(server: Server, settings: StreamingServerSettings) {
    const { clock, log } = settings;
    this.#server = server;
    this.#runtime = settings.runtime;
    this.#log = log;
    this.baseUrl = `http://${hostAndPort(server.address())}`;
    this.#requests = new RequestCache(
      clock,
      settings.tokenLifetimeMs ?? DEFAULT_TOKEN_LIFETIME_MS,
      settings.maxTokens ?? DEFAULT_MAX_TOKENS,
    );
    this.#session = {
      clock,
      log,
      idleTimeoutMs: settings.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      streamCreationTimeoutMs: settings.streamCreationTimeoutMs ?? DEFAULT_STREAM_CREATION_TIMEOUT_MS,
    };
    server.on('error', (error) => log.error('Streaming server failed', { error: errorMessage(error) }));
    server.on('request', (_request, response) => {
      response
        .writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' })
        .end('unable to upgrade: missing upgrade headers in request\n');
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, socket, head));
  }

  getExec(request: ExecRequest): StreamingUrl {
    validateStreams(request);
    return this.#url({ verb: 'exec', request });
  }

  getAttach(request: AttachRequest): StreamingUrl {
    validateStreams(request);
    return this.#url({ verb: 'attach', request });
  }

  getPortForward(request: PortForwardRequest): StreamingUrl {
    if (request.podSandboxId === '') throw new InvalidInputError('missing required pod_sandbox_id');
    return this.#url({ verb: 'portforward', request });
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the streaming server is shutting down'));
    this.#server.close();
    await Promise.all(this.#handlers);
    this.#server.closeAllConnections();
  }

  #url(cached: CachedRequest): StreamingUrl {
    return { url: `${this.baseUrl}/${cached.verb}/${this.#requests.insert(cached)}` };
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.#log.debug('Streaming connection broke', { error: errorMessage(error) }));
    const [, verb, token = ''] = /^\/(exec|attach|portforward)\/([\w-]+)$/.exec(request.url ?? '') ?? [];
    const cached = this.#requests.consume(token);
    if (cached === undefined || cached.verb !== verb || (request.method !== 'GET' && request.method !== 'POST')) {
      answerHttp(socket, 404, '404 page not found');
      return;
    }
    const handler = this.#serve(cached, { request, socket, head })
      .catch((error: unknown) => this.#log.info('Streaming request failed', { verb, error: errorMessage(error) }))
      .finally(() => this.#handlers.delete(handler));
    this.#handlers.add(handler);
  }

  async #serve(cached: CachedRequest, upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }): Promise<void> {
    const closing = this.#closing.signal;
    switch (cached.verb) {
      case 'exec': {
        const { containerId, cmd, tty } = cached.request;
        const session = await acceptRemoteCommand(upgrade, cached.request, this.#session, closing);
        await this.#run(session, 'executing command in', async () => ({
          exitCode: await this.#runtime.exec(containerId, cmd, tty, session, session.signal),
        }));
        break;
      }
      case 'attach': {
        const { containerId, tty } = cached.request;
        const session = await acceptRemoteCommand(upgrade, cached.request, this.#session, closing);
        await this.#run(session, 'attaching to', async () => {
          await this.#runtime.attach(containerId, tty, session, session.signal);
          return { exitCode: 0 };
        });
        break;
      }
      case 'portforward': {
        const { podSandboxId, ports } = cached.request;
        const session = await acceptPortForward(upgrade, ports, this.#session, closing);
        const forwards = new Set<Promise<void>>();
        for await (const connection of session.connections) {
          const forward = this.#forward(podSandboxId, connection).finally(() => forwards.delete(forward));
          forwards.add(forward);
        }
        await Promise.all(forwards);
        break;
      }
    }
  }

  async #run(session: RemoteCommandSession, doing: string, work: () => Promise<RemoteCommandResult>): Promise<void> {
    let result: RemoteCommandResult;
    try {
      result = await work();
    } catch (error) {
      result = { error: `error ${doing} container: ${errorMessage(error)}` };
      if (!session.signal.aborted) this.#log.warn('Remote command failed', { doing, error: errorMessage(error) });
    }
    await session.finish(result);
  }

  async #forward(podSandboxId: string, connection: PortForwardConnection): Promise<void> {
    try {
      await this.#runtime.portForward(podSandboxId, connection.port, connection.data, connection.signal);
      await connection.finish();
    } catch (error) {
      const text = `error forwarding port ${connection.port} to pod ${podSandboxId}: ${errorMessage(error)}`;
      if (!connection.signal.aborted) this.#log.info('Port forward failed', { podSandboxId, port: connection.port, error: text });
      await connection.finish(text);
    }
  }
}

function validateStreams(request: ExecRequest | AttachRequest): void {
  if (request.containerId === '') throw new InvalidInputError('missing required container_id');
  if (request.tty && request.stderr) throw new InvalidInputError('tty and stderr cannot both be true');
  if (!request.stdin && !request.stdout && !request.stderr) {
    throw new InvalidInputError('one of stdin, stdout, or stderr must be set');
  }
}

function hostAndPort(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('the streaming server does not listen on a TCP address');
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
