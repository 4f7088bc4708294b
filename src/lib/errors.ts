/**
 * Errors by behaviour: what a caller can do about it, not where it happened. Facts are fields and the message is built from
 * them. The codes are gRPC's names, so that the CRI door maps them one to one.
 */

export type ErrorCode =
  | 'NotFound'
  | 'AlreadyExists'
  | 'InvalidArgument'
  | 'FailedPrecondition'
  | 'DeadlineExceeded'
  | 'Unavailable'
  | 'Unimplemented'
  | 'PermissionDenied'
  | 'Unauthenticated'
  | 'ResourceExhausted'
  | 'Aborted'
  | 'Internal';

export interface ErrorOptionsWithCause {
  readonly cause?: unknown;
}

/** Base of the errors that carry a behaviour. Use the subclasses, and the guards below to test for one. */
export class CodedError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptionsWithCause) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The named object does not exist. */
export class NotFoundError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('NotFound', message, options);
  }
}

/** An object of that name exists already. */
export class AlreadyExistsError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('AlreadyExists', message, options);
  }
}

/** The caller's input is wrong and will stay wrong; the message names the field and the remedy. */
export class InvalidInputError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('InvalidArgument', message, options);
  }
}

/** The system is not in the state the call needs. */
export class FailedPreconditionError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('FailedPrecondition', message, options);
  }
}

/** A stage took longer than its limit; says which stage and which limit. */
export class DeadlineExceededError extends CodedError {
  readonly stage: string;
  readonly limitMs: number;

  constructor(stage: string, limitMs: number, options?: ErrorOptionsWithCause) {
    super('DeadlineExceeded', `${stage} did not finish within ${limitMs / 1000} s`, options);
    this.stage = stage;
    this.limitMs = limitMs;
  }
}

/** The other side is away or refuses for now; trying again later may work. */
export class UnavailableError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('Unavailable', message, options);
  }
}

/** The implementation does not have this verb or option. */
export class UnimplementedError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('Unimplemented', message, options);
  }
}

/** Known who, but not allowed. */
export class PermissionDeniedError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('PermissionDenied', message, options);
  }
}

/** Not known who. */
export class UnauthenticatedError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('Unauthenticated', message, options);
  }
}

/** A limit with a number was reached. */
export class ResourceExhaustedError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('ResourceExhausted', message, options);
  }
}

/** Somebody else changed the object meanwhile (HTTP 409 Conflict). */
export class ConflictError extends CodedError {
  constructor(message: string, options?: ErrorOptionsWithCause) {
    super('Aborted', message, options);
  }
}

/** Longest chain of causes that is walked: a cycle must not hang a guard. */
const MAX_CAUSES = 16;

/** The behaviour of an error or of the nearest of its causes that has one. */
export function errorCode(error: unknown): ErrorCode | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth += 1) {
    if (current instanceof CodedError) return current.code;
    current = current.cause;
  }
  return undefined;
}

export const isNotFound = (error: unknown): boolean => errorCode(error) === 'NotFound';
export const isAlreadyExists = (error: unknown): boolean => errorCode(error) === 'AlreadyExists';
export const isInvalidInput = (error: unknown): boolean => errorCode(error) === 'InvalidArgument';
export const isFailedPrecondition = (error: unknown): boolean => errorCode(error) === 'FailedPrecondition';
export const isDeadlineExceeded = (error: unknown): boolean => errorCode(error) === 'DeadlineExceeded';
export const isUnavailable = (error: unknown): boolean => errorCode(error) === 'Unavailable';
export const isUnimplemented = (error: unknown): boolean => errorCode(error) === 'Unimplemented';
export const isConflict = (error: unknown): boolean => errorCode(error) === 'Aborted';

/** An abort that the caller asked for, as opposed to a failure. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Any thrown value as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(typeof thrown === 'string' ? thrown : JSON.stringify(thrown));
}

/** Message of an error with those of its causes that say more, for events and log lines. */
export function errorMessage(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined && current !== null; depth += 1) {
    const text = toError(current).message;
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
