import { expect, test } from 'vitest';
import { HttpError } from './http-error.ts';
import { parseLogQuery } from './log-options.ts';

const parse = (query: string): ReturnType<typeof parseLogQuery> => parseLogQuery(new URLSearchParams(query));

test('without parameters the whole log of the current container is meant', () => {
  expect(parse('')).toEqual({ previous: false, options: { follow: false, timestamps: false } });
});

test('every parameter of kubectl logs is understood', () => {
  expect(parse('follow=true&timestamps=true&previous=true&tailLines=0&limitBytes=10&sinceSeconds=5')).toEqual({
    previous: true,
    options: { follow: true, timestamps: true, tailLines: 0, limitBytes: 10, sinceSeconds: 5 },
  });
});

test('tail=all is the same as no limit', () => {
  expect(parse('tail=all').options.tailLines).toBeUndefined();
  expect(parse('tail=7').options.tailLines).toBe(7);
});

test.each([
  ['tailLines=-1', 422, 'tailLines'],
  ['tailLines=ten', 400, 'tailLines'],
  ['limitBytes=0', 422, 'limitBytes'],
  ['sinceSeconds=0', 422, 'sinceSeconds'],
  ['sinceTime=yesterday', 400, 'sinceTime'],
  ['sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 422, 'sinceTime'],
  ['follow=maybe', 400, 'follow'],
  ['stream=Stdboth', 422, 'stream'],
  ['stream=Stderr&tailLines=3', 422, 'stream'],
])('%s is refused with %i naming %s', (query, status, name) => {
  const failure = catchError(() => parse(query));
  expect(failure).toBeInstanceOf(HttpError);
  expect((failure as HttpError).status).toBe(status);
  expect((failure as HttpError).message).toContain(name);
});

function catchError(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
