import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import { errorCode, errorMessage, type ErrorCode } from '../lib/errors.ts';

/** A refusal with its HTTP status; the message is the whole body. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

const STATUS_OF: Record<ErrorCode, number> = {
  NotFound: 404,
  AlreadyExists: 409,
  InvalidArgument: 400,
  FailedPrecondition: 400,
  DeadlineExceeded: 504,
  Unavailable: 503,
  Unimplemented: 501,
  PermissionDenied: 403,
  Unauthenticated: 401,
  ResourceExhausted: 429,
  Aborted: 409,
  Internal: 500,
};

/** The one place that maps behaviour to an HTTP status. */
export function httpStatus(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  const code = errorCode(error);
  return code === undefined ? 500 : STATUS_OF[code];
}

/** Answers an ordinary request with the error; once the body has begun the connection can only be cut. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(httpStatus(error), { 'Content-Type': 'text/plain; charset=utf-8' }).end(errorMessage(error));
}

/** Answers an upgrade request with the error and closes the connection. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (!socket.writable) return;
  const status = httpStatus(error);
  const body = errorMessage(error);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
