/** The API server's refusals as errors by behaviour, its own `Status` kept with them. */
import type { StatusObject } from '../api/types.ts';
import {
  AlreadyExistsError,
  ConflictError,
  FailedPreconditionError,
  InvalidInputError,
  NotFoundError,
  PermissionDeniedError,
  UnauthenticatedError,
  UnavailableError,
  UnimplementedError,
  type CodedError,
} from '../lib/errors.ts';
import { isRecord } from './resources.ts';

/** What the server answered; the cause of the coded error that is thrown. */
export class ApiStatusError extends Error {
  readonly httpStatus: number;
  /** `NotFound`, `AlreadyExists`, `Expired` …; empty when the answer carried no Status. */
  readonly reason: string;
  readonly status: StatusObject;
  readonly retryAfterMs: number | undefined;

  constructor(httpStatus: number, status: StatusObject, retryAfterMs: number | undefined) {
    super(status.message ?? `HTTP ${httpStatus}`);
    this.name = 'ApiStatusError';
    this.httpStatus = httpStatus;
    this.reason = status.reason ?? '';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** How much of an answer that is no Status is shown (a proxy's HTML page, for instance). */
const MAX_TEXT = 512;
/** Longest chain of causes that is walked, as in lib/errors.ts. */
const MAX_CAUSES = 16;

/** The error for an answer that is no success. */
export function statusError(
  request: string,
  httpStatus: number,
  body: string,
  retryAfter: string | undefined,
): CodedError & { readonly cause?: unknown } {
  const status = parseStatus(body) ?? plainStatus(request, httpStatus, body);
  return fromStatus(httpStatus, status, retryAfterMs(retryAfter) ?? secondsToMs(status.details?.retryAfterSeconds));
}

/** The error for a Status object, as it also comes inside a watch. */
export function fromStatus(httpStatus: number, status: StatusObject, retryAfter?: number): CodedError {
  const cause = new ApiStatusError(httpStatus, status, retryAfter);
  const options = { cause };
  const { message } = cause;
  switch (httpStatus) {
    case 400:
    case 413:
    case 422:
      return new InvalidInputError(message, options);
    case 401:
      return new UnauthenticatedError(message, options);
    case 403:
      return new PermissionDeniedError(message, options);
    case 404:
      return new NotFoundError(message, options);
    case 405:
    case 406:
    case 415:
    case 501:
      return new UnimplementedError(message, options);
    case 409:
      return cause.reason === 'AlreadyExists' ? new AlreadyExistsError(message, options) : new ConflictError(message, options);
    case 410:
      return new FailedPreconditionError(message, options);
    default:
      return httpStatus < 500 && httpStatus !== 429 && httpStatus !== 408
        ? new FailedPreconditionError(message, options)
        : new UnavailableError(message, options);
  }
}

/** The server's answer behind an error, if there was one. */
export function apiStatus(error: unknown): ApiStatusError | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth += 1) {
    if (current instanceof ApiStatusError) return current;
    current = current.cause;
  }
  return undefined;
}

/** The resource version is older than what the server remembers: list again (410, `Expired` or `Gone`). */
export function isExpired(error: unknown): boolean {
  const status = apiStatus(error);
  return status !== undefined && (status.httpStatus === 410 || status.reason === 'Expired' || status.reason === 'Gone');
}

/** The resource version is newer than what this server has seen yet (apimachinery errors.IsTooLargeResourceVersion). */
export function isTooLargeResourceVersion(error: unknown): boolean {
  const causes = apiStatus(error)?.status.details?.causes ?? [];
  return causes.some((cause) => cause.reason === 'ResourceVersionTooLarge');
}

/** A Status object, if the value is one. */
export function asStatus(value: unknown): StatusObject | undefined {
  return isStatus(value) ? value : undefined;
}

function isStatus(value: unknown): value is StatusObject {
  return isRecord(value) && value['kind'] === 'Status';
}

function parseStatus(body: string): StatusObject | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    return asStatus(JSON.parse(body));
  } catch {
    return undefined; // not JSON after all: shown as text
  }
}

function plainStatus(request: string, httpStatus: number, body: string): StatusObject {
  const text = body.trim().slice(0, MAX_TEXT);
  return { code: httpStatus, message: `${request} was answered with HTTP ${httpStatus}${text === '' ? '' : `: ${text}`}` };
}

function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,5}$/.test(header) ? Number(header) * 1000 : undefined;
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}
