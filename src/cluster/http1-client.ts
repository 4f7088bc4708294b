/** HTTP/1.1 for servers that refuse HTTP/2, for proxies, and for plain http. */
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { UnavailableError } from '../lib/errors.ts';
import { tlsClientOptions } from './connection.ts';
import type { ClusterAccess, TlsMaterial } from './credentials.ts';
import type { Lane, Transport, TransportRequest, TransportResponse } from './transport.ts';

/** Connections at a time; the rest waits for one. */
const MAX_SHORT_SOCKETS = 64;
/** One a watch: 250 pods with a dozen config maps and secrets each. */
const MAX_WATCH_SOCKETS = 3000;
const KEEP_ALIVE_MS = 30_000;

/** INVARIANT: a connection is used only with the credentials that it was made with. */
export class Http1Client implements Transport {
  readonly #access: ClusterAccess;
  #agents: { readonly generation: number; readonly agents: Readonly<Record<Lane, http.Agent>> } | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  async send(lane: Lane, request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    const agent = await this.#agent(lane, signal);
    signal.throwIfAborted();
    const { server } = this.#access;
    const options = { method: request.method, path: request.path, headers: request.headers, agent, signal };
    const sent = server.protocol === 'https:' ? https.request(server, options) : http.request(server, options);
    sent.end(request.body);
    const message = await this.#head(sent, signal);
    return { status: message.statusCode ?? 0, header: (name) => textHeader(message, name), body: this.#body(message, signal) };
  }

  close(): void {
    for (const agent of Object.values(this.#agents?.agents ?? {})) agent.destroy();
  }

  async #agent(lane: Lane, signal: AbortSignal): Promise<http.Agent> {
    const material = await this.#access.tls(signal);
    if (this.#agents?.generation !== material.generation) {
      // The old agents are only dropped: what is under way on them ends by itself.
      const create = (maxSockets: number): http.Agent => this.#createAgent(maxSockets, material);
      this.#agents = { generation: material.generation, agents: { short: create(MAX_SHORT_SOCKETS), watch: create(MAX_WATCH_SOCKETS) } };
    }
    return this.#agents.agents[lane];
  }

  #createAgent(maxSockets: number, material: TlsMaterial): http.Agent {
    const { proxy, server } = this.#access;
    const proxyEnv = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } };
    const common = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets, ...proxyEnv };
    if (server.protocol === 'http:') return new http.Agent(common);
    const { secureContext, rejectUnauthorized, servername } = tlsClientOptions(server, material);
    return new https.Agent({ ...common, secureContext, rejectUnauthorized, ...(servername === undefined ? {} : { servername }) });
  }

  #head(sent: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      sent.once('response', resolve);
      sent.on('error', (error) => {
        reject(
          signal.aborted
            ? (signal.reason as Error)
            : new UnavailableError(`the connection to ${this.#access.server.host} failed`, { cause: error }),
        );
      });
    });
  }

  async *#body(message: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of message) yield chunk as Buffer;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new UnavailableError(`the connection to ${this.#access.server.host} was lost`, { cause: error });
    }
  }
}

function textHeader(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
