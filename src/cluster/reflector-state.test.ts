import { expect, test } from 'vitest';
import { UnavailableError } from '../lib/errors.ts';
import { INITIAL_STATE, nextState, type ReflectorInput, type ReflectorState } from './reflector-state.ts';
import { fromStatus } from './status-error.ts';

const expired = fromStatus(410, { code: 410, reason: 'Expired', message: 'too old' });
const forbidden = fromStatus(403, { code: 403, reason: 'Forbidden', message: 'no' });
const busy = fromStatus(429, { code: 429, reason: 'TooManyRequests', message: 'later' });
const tooLarge = fromStatus(504, { code: 504, reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
const lost = new UnavailableError('lost');

function run(inputs: readonly ReflectorInput[], start: ReflectorState = INITIAL_STATE): ReflectorState {
  return inputs.reduce((state, input) => nextState(state, input, () => 0), start);
}

const failed = (error: unknown): ReflectorInput => ({ type: 'failed', error });
const watching = (resourceVersion: string, failures = 0, fresh = false): ReflectorState => ({
  stage: 'watching',
  resourceVersion,
  failures,
  fresh,
});

test('the first list takes what the server has cached, then a watch goes on from its version', () => {
  expect(INITIAL_STATE).toEqual({ stage: 'listing', resourceVersion: '0', failures: 0 });
  expect(run([{ type: 'page', resourceVersion: '7' }])).toEqual(watching('7', 0, true));
});

test('pages follow one another until none is left', () => {
  const more = run([{ type: 'page', resourceVersion: '7', continueToken: 'next' }]);
  expect(more).toMatchObject({ stage: 'listing', continueToken: 'next' });
  expect(run([{ type: 'page', resourceVersion: '8' }], more)).toEqual(watching('8', 0, true));
});

test('a page that has expired starts the list over, consistently', () => {
  const more = run([{ type: 'page', resourceVersion: '7', continueToken: 'next' }]);
  expect(run([failed(expired)], more)).toEqual({ stage: 'listing', resourceVersion: undefined, failures: 0 });
});

test('a server that does not have the version yet is read consistently', () => {
  const relist: ReflectorState = { stage: 'listing', resourceVersion: '900', failures: 1 };
  expect(run([failed(tooLarge)], relist)).toEqual({ stage: 'listing', resourceVersion: undefined, failures: 1 });
});

test('events and bookmarks move the version from which the watch goes on', () => {
  expect(
    run(
      [
        { type: 'event', resourceVersion: '9' },
        { type: 'ended', events: 1, lastedMs: 5 },
      ],
      watching('7'),
    ),
  ).toEqual(watching('9'));
});

test('a watch that the server ends after its time goes on at once without a list', () => {
  expect(run([{ type: 'ended', events: 0, lastedMs: 300_000 }], watching('7'))).toEqual(watching('7'));
});

test('a watch that ends at once without an event counts as a failure', () => {
  expect(run([{ type: 'ended', events: 0, lastedMs: 3 }], watching('7'))).toEqual({
    stage: 'backing-off',
    delayMs: 800,
    next: watching('7', 1),
  });
});

test('a version that is too old lists again at once, but not twice in a row without a pause', () => {
  const relist = run([failed(expired)], watching('7', 3));
  expect(relist).toEqual({ stage: 'listing', resourceVersion: undefined, failures: 3 });
  const again = run([{ type: 'page', resourceVersion: '8' }, failed(expired)], relist);
  expect(again).toMatchObject({ stage: 'backing-off', next: { stage: 'listing', resourceVersion: undefined, failures: 4 } });
});

test('a version that grew old while the server was away is not listed twice: nothing to wait for', () => {
  const state = run([{ type: 'page', resourceVersion: '8' }, failed(lost), { type: 'waited' }, failed(expired)]);
  expect(state).toMatchObject({ stage: 'listing', resourceVersion: undefined });
});

test('a pause ends, and every row of failures, when the server is back for everybody', () => {
  const state = run([failed(lost)], watching('7', 6));
  expect(run([{ type: 'serverIsBack' }], state)).toEqual(watching('7'));
  expect(run([{ type: 'serverIsBack' }], watching('7', 6))).toEqual(watching('7'));
});

test('a lost connection or a busy server goes on with the watch after a pause', () => {
  for (const error of [lost, busy]) {
    const state = run([failed(error)], watching('7'));
    expect(state).toEqual({ stage: 'backing-off', delayMs: 800, next: watching('7', 1) });
    expect(run([{ type: 'waited' }], state)).toEqual(watching('7', 1));
  }
});

test('a refusal lists again after a pause, never older than what was seen', () => {
  expect(run([failed(forbidden)], watching('7'))).toMatchObject({
    stage: 'backing-off',
    next: { stage: 'listing', resourceVersion: '7', failures: 1 },
  });
});

test('the pauses grow from 0.8 s to 30 s, and an event ends the row', () => {
  const delays: number[] = [];
  let state: ReflectorState = watching('7');
  for (let failures = 0; failures < 8; failures += 1) {
    state = run([failed(lost)], state);
    if (state.stage === 'backing-off') delays.push(state.delayMs);
    state = run([{ type: 'waited' }], state);
  }
  expect(delays).toEqual([800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
  expect(run([{ type: 'event', resourceVersion: '8' }], state)).toEqual(watching('8'));
});

test('jitter shortens a pause by up to a half', () => {
  const state = nextState(watching('7'), failed(lost), () => 0.999);
  expect(state.stage === 'backing-off' ? state.delayMs : 0).toBeCloseTo(400, -1);
});
