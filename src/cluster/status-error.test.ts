import { expect, test } from 'vitest';
import { errorCode, errorMessage } from '../lib/errors.ts';
import { apiStatus, isExpired, isTooLargeResourceVersion, statusError } from './status-error.ts';

function answer(code: number, reason: string, extra: object = {}): Error {
  const body = JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message: `said ${reason}`, ...extra });
  return statusError('GET /api/v1/pods', code, body, undefined);
}

test.each([
  [400, 'BadRequest', 'InvalidArgument'],
  [401, 'Unauthorized', 'Unauthenticated'],
  [403, 'Forbidden', 'PermissionDenied'],
  [404, 'NotFound', 'NotFound'],
  [409, 'AlreadyExists', 'AlreadyExists'],
  [409, 'Conflict', 'Aborted'],
  [410, 'Expired', 'FailedPrecondition'],
  [422, 'Invalid', 'InvalidArgument'],
  [429, 'TooManyRequests', 'Unavailable'],
  [500, 'InternalError', 'Unavailable'],
  [503, 'ServiceUnavailable', 'Unavailable'],
  [504, 'Timeout', 'Unavailable'],
])('HTTP %i %s behaves as %s', (code, reason, expected) => {
  const error = answer(code, reason);
  expect(errorCode(error)).toBe(expected);
  expect(apiStatus(error)).toMatchObject({ httpStatus: code, reason });
  expect(errorMessage(error)).toBe(`said ${reason}`);
});

test('an answer that is no Status is shown as text, shortened', () => {
  const error = statusError('GET /api/v1/pods', 502, `<html>${'x'.repeat(10_000)}`, undefined);
  expect(error.message).toMatch(/^GET \/api\/v1\/pods was answered with HTTP 502: <html>x/);
  expect(error.message.length).toBeLessThan(600);
  expect(statusError('GET /', 500, '{broken', undefined).message).toContain('{broken');
});

test('the wait that the server asks for is kept, from the header or the details', () => {
  expect(apiStatus(statusError('GET /', 429, '', '7'))?.retryAfterMs).toBe(7000);
  expect(apiStatus(answer(429, 'TooManyRequests', { details: { retryAfterSeconds: 3 } }))?.retryAfterMs).toBe(3000);
});

test('an expired and a too large resource version are told apart', () => {
  expect(isExpired(answer(410, 'Expired'))).toBe(true);
  expect(isExpired(answer(404, 'NotFound'))).toBe(false);
  const tooLarge = answer(504, 'Timeout', { details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
  expect([isTooLargeResourceVersion(tooLarge), isTooLargeResourceVersion(answer(504, 'Timeout'))]).toEqual([true, false]);
});
