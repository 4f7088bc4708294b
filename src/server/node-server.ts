import https from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import express, { type NextFunction, type Request, type Response } from 'express';
import { isAbort } from '../lib/errors.ts';
import { createGate, type Gate } from './gate.ts';
import { httpStatus, HttpError, refuseUpgrade, sendError } from './http-error.ts';
import { installRoutes } from './routes.ts';
import { isStreamUpgrade, openStream } from './streams.ts';
import type { NodeServerDeps, NodeServerSettings } from './types.ts';

/** A request's header must be there within this time; bodies are not expected. The kubelet's server sets the same. */
const HEADER_TIMEOUT_MS = 30_000;
/** Idle connections are kept this long for the API server to use again. */
const KEEP_ALIVE_MS = 90_000;

/**
 * The HTTPS server on :10250. Upgrade requests do not pass through Express: node's `upgrade` event has them, and the same gate
 * authenticates and authorizes both before a byte is answered.
 *
 * INVARIANTS
 * - Nothing but a refusal is sent to a caller that the gate has not let through.
 * - Only SPDY/3.1 and WebSocket on the stream routes are upgraded.
 * - After `close` has resolved there is no connection, and no stream's signal is left unaborted.
 */
export class NodeServer {
  readonly #settings: NodeServerSettings;
  readonly #deps: NodeServerDeps;
  readonly #gate: Gate;
  readonly #server: https.Server;
  readonly #closing = new AbortController();
  readonly #stopWatchingTls: () => void;
  readonly #signals = new WeakMap<ServerResponse, AbortSignal>();

  constructor(settings: NodeServerSettings, deps: NodeServerDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#gate = createGate(settings, deps.authenticator, deps.authorizer);
    this.#server = https.createServer(this.#options(), this.#app());
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', (error) => deps.log.debug('TLS handshake failed', { error }));
    this.#stopWatchingTls = deps.tls.onChange(() => this.#server.setSecureContext(this.#secureContext()));
  }

  /** Listens; answers the port. @throws when the address is taken */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: this.#settings.address, port: this.#settings.port }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#deps.log.error('HTTPS server failed', { error }));
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#stopWatchingTls();
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #secureContext(): { cert: string; key: string; ca?: string; minVersion?: 'TLSv1.2' | 'TLSv1.3'; ciphers?: string } {
    const { clientCa, minTlsVersion, ciphers } = this.#settings;
    return {
      ...this.#deps.tls.current(),
      ...(clientCa === undefined ? {} : { ca: clientCa }),
      ...(minTlsVersion === undefined ? {} : { minVersion: minTlsVersion }),
      ...(ciphers === undefined ? {} : { ciphers }),
    };
  }

  #options(): https.ServerOptions & { shouldUpgradeCallback: (request: IncomingMessage) => boolean } {
    return {
      ...this.#secureContext(),
      // Certificates are looked at by the gate; a caller may come with a token instead.
      requestCert: this.#settings.clientCa !== undefined,
      rejectUnauthorized: false,
      headersTimeout: HEADER_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: 0,
      shouldUpgradeCallback: (request) => this.#settings.debuggingHandlers && isStreamUpgrade(request),
    };
  }

  #app(): express.Express {
    const app = express();
    app.disable('x-powered-by');
    app.disable('etag');
    app.use((request, response, next) => {
      this.#gate(request, this.#signalOf(response)).then(() => next(), next);
    });
    installRoutes(app, this.#settings, this.#deps, (response) => this.#signalOf(response));
    app.use(() => {
      throw new HttpError(404, '404 page not found');
    });
    app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => this.#fail(error, request, response));
    return app;
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    const end = (): void => gone.abort();
    socket.once('close', end);
    socket.on('error', end);
    this.#closing.signal.addEventListener('abort', end, { once: true });
    try {
      await this.#gate(request, gone.signal);
      const { url, streams } = await openStream(request, this.#deps, gone.signal);
      await this.#deps.streams.proxy({ request, socket, head }, url, streams, gone.signal);
    } catch (error) {
      this.#report(error, request);
      refuseUpgrade(socket, error);
    } finally {
      this.#closing.signal.removeEventListener('abort', end);
    }
  }

  /** Aborted when the client leaves before the answer is complete, or the server closes. */
  #signalOf(response: ServerResponse): AbortSignal {
    const known = this.#signals.get(response);
    if (known !== undefined) return known;
    const gone = new AbortController();
    const end = (): void => gone.abort();
    this.#closing.signal.addEventListener('abort', end, { once: true });
    response.once('close', () => {
      this.#closing.signal.removeEventListener('abort', end);
      end();
    });
    this.#signals.set(response, gone.signal);
    return gone.signal;
  }

  #fail(error: unknown, request: Request, response: Response): void {
    this.#report(error, request);
    sendError(response, error);
  }

  #report(error: unknown, request: IncomingMessage): void {
    if (isAbort(error) || httpStatus(error) < 500) return;
    this.#deps.log.warn('Request to the node failed', { method: request.method, path: request.url, error });
  }
}
