import { readFile } from 'node:fs/promises';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { ControlPlane } from '../cluster/control-plane.ts';
import { withDeadline } from '../cluster/wait.ts';

/** An answer other than 2xx. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status.toString()}: ${body.slice(0, 500)}`);
    this.status = status;
  }
}

/** A request that has been handed to the connection. */
export interface SentRequest {
  /** `performance.now()` of that moment. */
  readonly sentAt: number;
  /** The answer's body, parsed. */
  readonly answer: Promise<unknown>;
}

const requestTimeoutMs = 60_000;
/** The API server allows 100 streams on a connection; Node would queue more than that silently. */
export const maxConcurrentRequests = 90;
/** The API server ends a watch whose reader falls behind: room for the events of some hundred pods. */
const windowBytes = 16 * 2 ** 20;

/**
 * A few calls of the Kubernetes API over one HTTP/2 connection: the benchmark's
 * own, as small as it can be, so that it takes little of the machine that it measures.
 */
export class ApiClient {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  /** Connects as a cluster administrator. */
  static async connect(controlPlane: ControlPlane): Promise<ApiClient> {
    const files = await controlPlane.certificate({
      name: 'bench',
      commonName: 'shorelet-bench',
      organization: ['system:masters'],
      client: true,
    });
    const session = connect(controlPlane.server, {
      ca: await readFile(controlPlane.caFile),
      cert: await readFile(files.certificate),
      key: await readFile(files.key),
      settings: { initialWindowSize: windowBytes },
    });
    await new Promise<void>((resolve, reject) => {
      session.once('connect', () => resolve());
      session.once('error', reject);
    });
    session.setLocalWindowSize(windowBytes);
    // Each request that is under way fails with it, and says so.
    session.on('error', () => undefined);
    return new ApiClient(session);
  }

  /** Sends a request at once and says when that was. */
  send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): SentRequest {
    const sentAt = performance.now();
    const answer = withDeadline(`${method} ${path}`, requestTimeoutMs, undefined, (signal) => this.#exchange(method, path, body, signal));
    return { sentAt, answer };
  }

  /** @throws ApiError on an answer other than 2xx. */
  request(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> {
    return this.send(method, path, body).answer;
  }

  /** Calls `onLine` for each line of a watch's answer. Returns when the server ends it, or at the signal. */
  async watch(path: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
    const stream = this.#open('GET', path, signal);
    stream.end();
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
    await new Promise<void>((resolve, reject) => {
      stream.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
      stream.on('close', resolve);
    });
  }

  close(): void {
    this.#session.destroy();
  }

  async #exchange(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<unknown> {
    const stream = this.#open(method, path, signal);
    let status = 0;
    let text = '';
    stream.on('response', (headers) => (status = Number(headers[constants.HTTP2_HEADER_STATUS])));
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    stream.end(body === undefined ? undefined : JSON.stringify(body));
    await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject));
    if (status < 200 || status > 299) throw new ApiError(`${method} ${path}`, status, text);
    return JSON.parse(text) as unknown;
  }

  #open(method: string, path: string, signal: AbortSignal): ClientHttp2Stream {
    const headers = {
      [constants.HTTP2_HEADER_METHOD]: method,
      [constants.HTTP2_HEADER_PATH]: path,
      accept: 'application/json',
      'content-type': 'application/json',
    };
    return this.#session.request(headers, { signal, endStream: false });
  }
}
