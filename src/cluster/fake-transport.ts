/** A transport for tests: every request is answered by a function, watches by streams that the test writes to. */
import { UnavailableError } from '../lib/errors.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import type { Clock } from '../lib/clock.ts';
import { ApiHealth } from './api-health.ts';
import { RestClient } from './rest-client.ts';
import type { Lane, Transport, TransportRequest, TransportResponse } from './transport.ts';

export interface FakeRequest {
  readonly lane: Lane;
  readonly method: TransportRequest['method'];
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON; `undefined` without a body. */
  readonly body: unknown;
}

export interface FakeAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, or line by line for a stream. */
  readonly body?: object | FakeStream;
}

export type FakeHandler = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>;

/** The body of a watch. */
export class FakeStream {
  readonly #chunks: (Buffer | Error | 'end')[] = [];
  #wake: () => void = () => undefined;

  event(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR', object: object): void {
    this.#push(Buffer.from(`${JSON.stringify({ type, object })}\n`));
  }

  end(): void {
    this.#push('end');
  }

  fail(error: Error = new UnavailableError('the connection was lost')): void {
    this.#push(error);
  }

  async *read(signal: AbortSignal): AsyncGenerator<Buffer> {
    const onAbort = (): void => this.fail(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk === 'end') return;
        if (chunk instanceof Error) throw chunk;
        if (chunk !== undefined) yield chunk;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #push(chunk: Buffer | Error | 'end'): void {
    this.#chunks.push(chunk);
    this.#wake();
  }
}

export class FakeTransport implements Transport {
  readonly requests: FakeRequest[] = [];
  handle: FakeHandler;

  constructor(handle: FakeHandler) {
    this.handle = handle;
  }

  async send(lane: Lane, sent: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    signal.throwIfAborted();
    const url = new URL(sent.path, 'https://server');
    const body: unknown = sent.body === undefined ? undefined : JSON.parse(sent.body);
    const request = { lane, method: sent.method, path: url.pathname, query: url.searchParams, headers: sent.headers, body };
    this.requests.push(request);
    const { status = 200, headers = {}, body: answer = {} } = await this.handle(request);
    return {
      status,
      header: (name) => headers[name],
      body: answer instanceof FakeStream ? answer.read(signal) : once(Buffer.from(JSON.stringify(answer))),
    };
  }

  close(): void {
    this.handle = () => Promise.reject(new UnavailableError('closed'));
  }
}

/** A real client on the fake transport, without rate limit. */
export function fakeClient(
  clock: Clock,
  handle: FakeHandler,
  log: Logger = silentLogger,
): { readonly client: RestClient; readonly transport: FakeTransport; readonly health: ApiHealth } {
  const transport = new FakeTransport(handle);
  const health = new ApiHealth(clock, log);
  const access = { headers: () => Promise.resolve({ authorization: 'Bearer test' }), refresh: () => undefined };
  return {
    client: new RestClient({ transport, access, clock, log, health, rateLimit: undefined, userAgent: 'shorelet/test' }),
    transport,
    health,
  };
}

/** The answer of a server that refuses. */
export function refusal(code: number, reason: string, message = `the test says ${reason}`): FakeAnswer {
  return { status: code, body: { kind: 'Status', status: 'Failure', code, reason, message } };
}

async function* once(chunk: Buffer): AsyncGenerator<Buffer> {
  yield chunk;
}
