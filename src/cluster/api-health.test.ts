import { expect, test } from 'vitest';
import { DeadlineExceededError, UnavailableError } from '../lib/errors.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { ApiHealth } from './api-health.ts';
import { statusError } from './status-error.ts';

function setup(): { health: ApiHealth; clock: FakeClock; lines: string[] } {
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, warn: write, info: write };
  const clock = new FakeClock();
  return { health: new ApiHealth(clock, log), clock, lines };
}

const refused = new UnavailableError('cannot connect', { cause: new Error('connect ECONNREFUSED') });
const refusal = (code: number): Error => statusError('GET /', code, '', undefined);

test('however often a server that is away is tried, one line says so and one that it is back', async () => {
  const { health, clock, lines } = setup();
  health.reportAnswer();
  for (let tries = 0; tries < 50; tries += 1) health.reportFailure(refused);
  health.reportFailure(new DeadlineExceededError('GET /', 30_000));
  await clock.advance(60_000);
  health.reportAnswer();
  health.reportAnswer();
  expect(lines).toEqual(['The API server answers', 'The API server cannot be reached; retrying', 'The API server answers again']);
});

test('another trouble is another line, and the time it has been down goes on', async () => {
  const { health, clock, lines } = setup();
  health.reportFailure(refused);
  const since = health.state?.sinceMs;
  await clock.advance(1000);
  health.reportFailure(refusal(401));
  expect(lines).toHaveLength(2);
  expect(health.state).toMatchObject({ up: false, trouble: 'unauthorized', sinceMs: since });
});

test('a certificate that is not accepted is TLS trouble', () => {
  const { health } = setup();
  const cause = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  health.reportFailure(new UnavailableError('cannot connect', { cause }));
  expect(health.state).toMatchObject({ up: false, trouble: 'tls', reason: 'cannot connect: self-signed certificate' });
});

test('a request refused for its own sake shows that the server answers', () => {
  const { health } = setup();
  health.reportFailure(refused);
  health.reportFailure(refusal(403));
  expect(health.state?.up).toBe(true);
});

test('single failures of a busy server are no outage, three in a row are', () => {
  const { health } = setup();
  health.reportFailure(refusal(503));
  health.reportFailure(refusal(503));
  health.reportAnswer();
  health.reportFailure(refusal(503));
  health.reportFailure(refusal(503));
  expect(health.state?.up).toBe(true);
  health.reportFailure(refusal(503));
  expect(health.state).toMatchObject({ up: false, trouble: 'failing' });
});

test('what the caller gave up says nothing', () => {
  const { health } = setup();
  health.reportFailure(new DOMException('gone', 'AbortError'));
  expect(health.state).toBeUndefined();
});
