/** The Kubernetes API's verbs over a transport. */
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { ResourceExhaustedError, UnavailableError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiHealth } from './api-health.ts';
import type { ClusterAccess } from './credentials.ts';
import { decodeList, decodeObject, decodeWatchLine, describe } from './decode.ts';
import { LineDecoder } from './line-decoder.ts';
import { TokenBucket, type RateLimit } from './rate-limiter.ts';
import { resourcePath } from './resource-path.ts';
import { apiStatus, statusError } from './status-error.ts';
import type { Lane, Transport, TransportRequest, TransportResponse } from './transport.ts';
import type {
  ApiClient,
  CreateTarget,
  DeleteOptions,
  ListOptions,
  ObjectList,
  ObjectTarget,
  Patch,
  PatchType,
  Resource,
  WatchEvent,
  WatchOptions,
} from './types.ts';

export interface RestClientOptions {
  readonly transport: Transport;
  readonly access: Pick<ClusterAccess, 'headers' | 'refresh'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Pick<ApiHealth, 'reportAnswer' | 'reportFailure'>;
  /** `undefined`: none. */
  readonly rateLimit: RateLimit | undefined;
  /** `shorelet/<version>` */
  readonly userAgent: string;
}

/** One try of a request, body included: below the 40 s of a node lease. */
const REQUEST_DEADLINE_MS = 30_000;
/** A watch that outlives the time it asked for by this much is hanging. */
const WATCH_GRACE_MS = 60_000;
/** Tries that the server asks for by Retry-After, as client-go (rest/with_retry.go). */
const MAX_RETRIES = 10;
/** A longer Retry-After is cut: the caller's own back-off does better than a request that sleeps. */
const MAX_RETRY_AFTER_MS = 60_000;
/** A page of 500 objects at the usual 100 kB, with room. */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  'strategic-merge': 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
};

interface Call {
  readonly method: TransportRequest['method'];
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** See {@link ApiClient}. */
export class RestClient implements ApiClient {
  readonly #options: RestClientOptions;
  readonly #bucket: TokenBucket | undefined;

  constructor(options: RestClientOptions) {
    this.#options = options;
    this.#bucket = options.rateLimit === undefined ? undefined : new TokenBucket(options.rateLimit, options.clock);
  }

  get<T>(resource: Resource<T>, target: ObjectTarget, signal: AbortSignal): Promise<T> {
    return this.#object(resource, { method: 'GET', path: resourcePath(resource, target) }, signal);
  }

  async list<T>(resource: Resource<T>, options: ListOptions, signal: AbortSignal): Promise<ObjectList<T>> {
    const { namespace, continueToken, ...selection } = options;
    const path = resourcePath(resource, { namespace }, { ...selection, continue: continueToken });
    const text = await this.#text({ method: 'GET', path }, signal);
    return decodeList(resource, `GET ${path}`, text, this.#options.log);
  }

  create<T>(resource: Resource<T>, target: CreateTarget, body: object, signal: AbortSignal): Promise<T> {
    return this.#object(resource, { method: 'POST', path: resourcePath(resource, target), body }, signal);
  }

  update<T>(resource: Resource<T>, target: ObjectTarget, body: object, signal: AbortSignal): Promise<T> {
    return this.#object(resource, { method: 'PUT', path: resourcePath(resource, target), body }, signal);
  }

  patch<T>(resource: Resource<T>, target: ObjectTarget, patch: Patch, signal: AbortSignal): Promise<T> {
    const path = resourcePath(resource, target, { fieldManager: patch.fieldManager, force: patch.force });
    return this.#object(resource, { method: 'PATCH', path, body: patch.body, contentType: PATCH_TYPES[patch.type] }, signal);
  }

  async delete<T>(resource: Resource<T>, target: ObjectTarget, options: DeleteOptions, signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion, gracePeriodSeconds } = options;
    const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds, preconditions };
    await this.#text({ method: 'DELETE', path: resourcePath(resource, target), body }, signal);
  }

  async *watch<T>(resource: Resource<T>, options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    const { namespace, ...selection } = options;
    const path = resourcePath(resource, { namespace }, { ...selection, watch: true, allowWatchBookmarks: true });
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const timer = this.#options.clock.after(options.timeoutSeconds * 1000 + WATCH_GRACE_MS, () =>
      controller.abort(new UnavailableError(`the watch of ${describe(resource)} did not end in time`)),
    );
    try {
      const response = await this.#send('watch', { method: 'GET', path }, controller.signal);
      const lines = new LineDecoder();
      for await (const chunk of response.body) {
        for (const line of lines.push(chunk)) {
          const event = decodeWatchLine(resource, line, this.#options.log);
          if (event !== undefined) yield event;
        }
      }
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      controller.abort(new UnavailableError('the watch has ended'));
    }
  }

  async #object<T>(resource: Resource<T>, call: Call, signal: AbortSignal): Promise<T> {
    return decodeObject(resource, `${call.method} ${call.path}`, await this.#text(call, signal));
  }

  /** The answer's body. */
  #text(call: Call, signal: AbortSignal): Promise<string> {
    return this.#retried(signal, () =>
      this.#deadline(call, signal, async (inner) => readText((await this.#once('short', call, inner)).body)),
    );
  }

  /** The head of an answer that goes on. */
  #send(lane: Lane, call: Call, signal: AbortSignal): Promise<TransportResponse> {
    return this.#retried(signal, async () => {
      // The deadline covers the head only: its controller must not end the body.
      let answer: TransportResponse | undefined;
      await this.#deadline(call, signal, async () => void (answer = await this.#once(lane, call, signal)));
      if (answer === undefined) throw new UnavailableError(`${call.method} ${call.path} was not answered`);
      return answer;
    });
  }

  #deadline<T>(call: Call, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(this.#options.clock, `${call.method} ${call.path}`, REQUEST_DEADLINE_MS, signal, work);
  }

  /** Waits for the rate limit; repeats when the server asks for it, and once with fresh credentials when they are refused. */
  async #retried<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const { clock, access, health } = this.#options;
    await this.#bucket?.take(signal);
    let refreshed = false;
    for (let retries = 0; ; retries += 1) {
      try {
        const answer = await attempt();
        health.reportAnswer();
        return answer;
      } catch (error) {
        if (signal.aborted) throw error;
        const status = apiStatus(error);
        if (status?.httpStatus === 401 && !refreshed) {
          refreshed = true;
          access.refresh();
          continue;
        }
        health.reportFailure(error);
        if (status?.retryAfterMs === undefined || retries >= MAX_RETRIES) throw error;
        await clock.sleep(Math.min(status.retryAfterMs, MAX_RETRY_AFTER_MS), signal);
      }
    }
  }

  async #once(lane: Lane, call: Call, signal: AbortSignal): Promise<TransportResponse> {
    const { transport, access, userAgent } = this.#options;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const headers = {
      ...(await access.headers(signal)),
      accept: 'application/json',
      'user-agent': userAgent,
      ...(body === undefined
        ? {}
        : { 'content-type': call.contentType ?? 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    };
    const response = await transport.send(
      lane,
      { method: call.method, path: call.path, headers, ...(body === undefined ? {} : { body }) },
      signal,
    );
    if (response.status >= 200 && response.status < 300) return response;
    throw statusError(`${call.method} ${call.path}`, response.status, await readText(response.body), response.header('retry-after'));
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new ResourceExhaustedError(`the API server's answer is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length).toString();
}
