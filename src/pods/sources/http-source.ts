import { withDeadline } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage, InvalidInputError, UnavailableError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PodManager } from '../pod-manager.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from './static-manifest.ts';

export interface HttpSourceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly pods: PodManager;
  readonly nodeName: string;
  readonly url: string;
  /** KubeletConfiguration staticPodURLHeader. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly checkFrequencyMs: number;
  /** `fetch` by default. */
  readonly request?: typeof fetch;
}

/** For one reading, ms (kubelet pkg/kubelet/config/http.go). */
const REQUEST_LIMIT_MS = 10_000;

/** Static pods from a URL, read regularly (kubelet pkg/kubelet/config/http.go). What cannot be read changes nothing. */
export class HttpSource {
  readonly #options: HttpSourceOptions;
  #text: string | undefined;
  #complaint: string | undefined;

  constructor(options: HttpSourceOptions) {
    this.#options = options;
  }

  /** Reads until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, checkFrequencyMs } = this.#options;
    while (!signal.aborted) {
      await this.read(signal);
      await clock.sleep(checkFrequencyMs, signal).catch(() => undefined); // aborted: the loop ends
    }
  }

  /** Reads once and delivers what has changed. Never rejects. */
  async read(signal: AbortSignal): Promise<void> {
    const { clock, log, pods, nodeName, url } = this.#options;
    try {
      const text = await withDeadline(clock, `GET ${url}`, REQUEST_LIMIT_MS, signal, (limited) => this.#get(limited));
      if (text !== this.#text) {
        const list = text === '' ? [] : parseManifest(text, { kind: 'http', location: url, nodeName, seenAt: clock.now() });
        pods.replace('http', list);
        this.#text = text;
      }
      if (this.#complaint !== undefined) log.info('The static pods can be read from their URL again', { url });
      this.#complaint = undefined;
    } catch (error) {
      if (signal.aborted) return;
      const complaint = errorMessage(error);
      if (complaint !== this.#complaint) log.error('Cannot read the static pods from their URL', { url, error: complaint });
      this.#complaint = complaint;
    }
  }

  async #get(signal: AbortSignal): Promise<string> {
    const { url, headers, request = fetch } = this.#options;
    const sent = new Headers();
    for (const [name, values] of Object.entries(headers)) for (const value of values) sent.append(name, value);
    const response = await request(url, { headers: sent, signal });
    if (!response.ok) throw new UnavailableError(`${url} answered ${response.status} ${response.statusText}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    const body: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of body ?? []) {
      size += chunk.byteLength;
      if (size > MAX_MANIFEST_BYTES) throw new InvalidInputError(`${url} answered more than ${MAX_MANIFEST_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }
}
