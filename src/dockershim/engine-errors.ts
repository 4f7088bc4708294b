import {
  AlreadyExistsError,
  CodedError,
  FailedPreconditionError,
  InvalidInputError,
  NotFoundError,
  PermissionDeniedError,
  UnavailableError,
  errorCode,
  toError,
} from '../lib/errors.ts';

/** What the client library's error says of an HTTP answer. */
interface HttpFacts {
  readonly status: number;
  readonly message: string;
}

/** Codes of node:net and node:http that mean: nobody is there, or not any more. */
const UNREACHABLE = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

const NAME_TAKEN = /is already in use by container "?([0-9a-z]+)"?/;
/** What docker-modem puts before the engine's words. */
const LIBRARY_PREFIX = /^\(HTTP code \d+\) [^-]*- /;

/** The error of a failed call by its behaviour, with the engine's own words. `stage` reads on from "failed to". */
export function engineError(stage: string, endpoint: string, thrown: unknown): Error {
  const error = toError(thrown);
  if (error instanceof CodedError) return error;
  const http = httpFacts(error);
  // The library's error says the same again in its own words: as a cause it would only double the message.
  if (http !== undefined) return byStatus(http.status, `failed to ${stage}: ${http.message}`);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'EACCES' || code === 'EPERM') {
    return new PermissionDeniedError(`failed to ${stage}: no permission to use Docker Engine at ${endpoint}`, { cause: error });
  }
  if (UNREACHABLE.has(code)) {
    return new UnavailableError(`failed to ${stage}: Docker Engine at ${endpoint} is not reachable`, { cause: error });
  }
  return new CodedError('Internal', `failed to ${stage}: ${error.message}`, { cause: error });
}

/** Whether the engine answered that what was asked for is so already. */
export function isNotModified(thrown: unknown): boolean {
  return thrown instanceof Error && httpFacts(thrown)?.status === 304;
}

/** Whether the engine itself said no, rather than nothing: then what was asked for has not happened, nor will it. */
export function isRefusal(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && code !== 'DeadlineExceeded' && code !== 'Unavailable';
}

/** Id of the container that has the wanted name (dockershim helpers.go conflictRE). */
export function conflictingContainer(error: unknown): string | undefined {
  return error instanceof Error ? NAME_TAKEN.exec(error.message)?.[1] : undefined;
}

function httpFacts(error: Error): HttpFacts | undefined {
  if (!('statusCode' in error) || typeof error.statusCode !== 'number') return undefined;
  const body: unknown = 'json' in error ? error.json : undefined;
  if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
    return { status: error.statusCode, message: body.message.trim() };
  }
  return { status: error.statusCode, message: error.message.replace(LIBRARY_PREFIX, '').trim() };
}

function byStatus(status: number, message: string): Error {
  switch (status) {
    case 400:
      return new InvalidInputError(message);
    case 401:
    case 403:
      return new PermissionDeniedError(message);
    case 404:
      return new NotFoundError(message);
    case 409:
      return NAME_TAKEN.test(message) ? new AlreadyExistsError(message) : new FailedPreconditionError(message);
    case 503:
      return new UnavailableError(message);
    default:
      return new CodedError('Internal', message);
  }
}
