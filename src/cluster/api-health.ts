/** Whether the API server answers us: one log line a change, however many loops try. */
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isAbort, isDeadlineExceeded, isUnavailable } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { apiStatus } from './status-error.ts';

export type ApiTrouble =
  /** No connection, or no answer in time. */
  | 'unreachable'
  /** Its certificate, or ours, is not accepted. */
  | 'tls'
  /** Our credentials are not accepted (401). */
  | 'unauthorized'
  /** It answers, but cannot serve (5xx). */
  | 'failing';

export type ApiState =
  | { readonly up: true; readonly sinceMs: number }
  | { readonly up: false; readonly sinceMs: number; readonly trouble: ApiTrouble; readonly reason: string };

/** A server that is busy fails single requests; only this many in a row say that it is down. */
const FAILURES_UNTIL_DOWN = 3;

const SENTENCES: Readonly<Record<ApiTrouble, string>> = {
  unreachable: 'The API server cannot be reached; retrying',
  tls: 'The TLS connection to the API server is refused; retrying',
  unauthorized: 'The API server does not accept our credentials; retrying',
  failing: 'The API server fails to serve requests; retrying',
};

/** INVARIANTS: exactly one log line a change of state; the same trouble in other words is no change. */
export class ApiHealth {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<(state: ApiState) => void>();
  #state: ApiState | undefined;
  #failures = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `undefined` before the first answer or failure. */
  get state(): ApiState | undefined {
    return this.#state;
  }

  /** Called after each change. Answers the function that ends the subscription. */
  onChange(listener: (state: ApiState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The server answered a request, if only to refuse this one. */
  reportAnswer(): void {
    this.#failures = 0;
    if (this.#state?.up === true) return;
    const previous = this.#state;
    this.#change({ up: true, sinceMs: this.#clock.now() });
    if (previous === undefined) this.#log.info('The API server answers');
    else this.#log.info('The API server answers again', { downSeconds: Math.round((this.#clock.now() - previous.sinceMs) / 1000) });
  }

  /** A request failed; says nothing about the server when it was refused for its own sake (403, 404, 409 …) or given up by the caller. */
  reportFailure(error: unknown): void {
    const trouble = classify(error);
    if (trouble === undefined) {
      if (apiStatus(error) !== undefined) this.reportAnswer();
      return;
    }
    this.#failures += 1;
    if (trouble === 'failing' && this.#failures < FAILURES_UNTIL_DOWN) return;
    if (this.#state?.up === false && this.#state.trouble === trouble) return;
    const sinceMs = this.#state?.up === false ? this.#state.sinceMs : this.#clock.now();
    const reason = errorMessage(error);
    this.#change({ up: false, sinceMs, trouble, reason });
    this.#log.warn(SENTENCES[trouble], { reason });
  }

  #change(state: ApiState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function classify(error: unknown): ApiTrouble | undefined {
  if (isAbort(error)) return undefined;
  const httpStatus = apiStatus(error)?.httpStatus;
  if (httpStatus !== undefined) return httpStatus === 401 ? 'unauthorized' : httpStatus >= 500 ? 'failing' : undefined;
  if (isTls(error)) return 'tls';
  return isUnavailable(error) || isDeadlineExceeded(error) ? 'unreachable' : undefined;
}

/** Codes of OpenSSL's verification and of Node's TLS layer. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_)/;
const MAX_CAUSES = 16;

function isTls(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && TLS_CODE.test(current.code)) return true;
    current = current.cause;
  }
  return false;
}
