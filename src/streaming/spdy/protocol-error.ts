import { InvalidInputError, type ErrorOptionsWithCause } from '../../lib/errors.ts';

/** The peer broke SPDY/3.1 in a way after which the connection cannot go on. */
export class SpdyProtocolError extends InvalidInputError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super(`SPDY protocol error: ${message}`, options);
  }
}
