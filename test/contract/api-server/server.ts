/** An API server's HTTP side on loopback, as far as a test scripts it. */
import { once } from 'node:events';
import http2, { type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Server } from 'node:tls';
import { ApiHealth } from '../../../src/cluster/api-health.ts';
import type { ClusterAccess } from '../../../src/cluster/credentials.ts';
import { createTransport } from '../../../src/cluster/negotiated-transport.ts';
import type { RateLimit } from '../../../src/cluster/rate-limiter.ts';
import { RestClient } from '../../../src/cluster/rest-client.ts';
import type { Transport } from '../../../src/cluster/transport.ts';
import { generatePrivateKey, privateKeyPem, selfSignedCertificate } from '../../../src/cluster/x509.ts';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { silentLogger, type Logger } from '../../../src/lib/log.ts';

export type ServerRequest = Http2ServerRequest | IncomingMessage;

/** What both protocols' answers have, and the stream where it is HTTP/2. */
export interface ServerAnswer {
  readonly stream?: Http2ServerResponse['stream'];
  writeHead(status: number, headers?: Record<string, string>): unknown;
  write(text: string): boolean;
  end(text?: string): unknown;
  destroy(): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly request: ServerRequest;
  readonly answer: ServerAnswer;
  readonly body: string;
}

export interface ServerOptions {
  /** 0: refuse HTTP/2 in the TLS handshake. */
  readonly maxConcurrentStreams: number;
  readonly handle: (exchange: Exchange) => void | Promise<void>;
}

export class LoopbackServer {
  readonly url: URL;
  readonly ca: string;
  readonly sessions = new Set<ServerHttp2Session>();
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(server: Server, ca: string, port: number) {
    this.#server = server;
    this.ca = ca;
    this.url = new URL(`https://127.0.0.1:${port}`);
    server.on('session', (session: ServerHttp2Session) => {
      this.sessions.add(session);
      session.on('error', () => undefined);
      session.on('close', () => this.sessions.delete(session));
    });
    server.on('secureConnection', (socket: Socket) => this.sockets.add(socket.once('close', () => this.sockets.delete(socket))));
  }

  static async start(options: ServerOptions, port = 0, identity = serverIdentity()): Promise<LoopbackServer> {
    const { cert, key } = identity;
    const { maxConcurrentStreams } = options;
    const server =
      maxConcurrentStreams === 0
        ? https.createServer({ cert, key })
        : http2.createSecureServer({ cert, key, settings: { maxConcurrentStreams } });
    server.on('request', (request: ServerRequest, answer: ServerAnswer) => void serve(options, request, answer));
    server.on('sessionError', () => undefined);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new LoopbackServer(server, cert, (server.address() as AddressInfo).port);
  }

  /** As kill -9: every connection breaks without a word. */
  breakConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.breakConnections();
    await closed;
  }
}

export function serverIdentity(): { readonly cert: string; readonly key: string } {
  const key = generatePrivateKey();
  const cert = selfSignedCertificate(key, {
    subject: { commonName: 'kube-apiserver', organizations: [] },
    altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
    notBefore: Date.now() - 3_600_000,
    notAfter: Date.now() + 86_400_000,
  });
  return { cert, key: privateKeyPem(key) };
}

export interface TestClient {
  readonly client: RestClient;
  readonly transport: Transport;
  readonly health: ApiHealth;
  readonly access: ClusterAccess & { token: string; generation: number; refreshed: number };
}

export function connectTo(
  server: { readonly url: URL; readonly ca: string },
  options: { readonly clock?: Clock; readonly log?: Logger; readonly rateLimit?: RateLimit; readonly proxy?: URL } = {},
): TestClient {
  const { clock = systemClock, log = silentLogger, rateLimit } = options;
  const access = {
    server: server.url,
    proxy: options.proxy,
    token: 'secret',
    generation: 1,
    refreshed: 0,
    async tls() {
      return {
        ca: server.ca,
        cert: undefined,
        key: undefined,
        servername: undefined,
        rejectUnauthorized: true,
        generation: this.generation,
      };
    },
    async headers() {
      return { authorization: `Bearer ${this.token}` };
    },
    refresh() {
      this.refreshed += 1;
    },
  };
  const transport = createTransport(access, clock);
  const health = new ApiHealth(clock, log);
  const client = new RestClient({ transport, access, clock, log, health, rateLimit, userAgent: 'shorelet/test' });
  return { client, transport, health, access };
}

export function sendJson(answer: ServerAnswer, status: number, body: object, headers: Record<string, string> = {}): void {
  answer.writeHead(status, { 'content-type': 'application/json', ...headers });
  answer.end(JSON.stringify(body));
}

export function sendStatus(answer: ServerAnswer, code: number, reason: string, headers: Record<string, string> = {}): void {
  sendJson(
    answer,
    code,
    { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `the test says ${reason}` },
    headers,
  );
}

export function writeEvent(answer: ServerAnswer, type: string, object: object): void {
  answer.write(`${JSON.stringify({ type, object })}\n`);
}

async function serve(options: ServerOptions, request: ServerRequest, answer: ServerAnswer): Promise<void> {
  answer.on('error', () => undefined);
  let body = '';
  request.setEncoding('utf8');
  try {
    for await (const chunk of request) body += String(chunk);
    const url = new URL(request.url ?? '/', 'https://server');
    await options.handle({ method: request.method ?? '', url, request, answer, body });
  } catch {
    answer.destroy(); // the client left in the middle
  }
}
