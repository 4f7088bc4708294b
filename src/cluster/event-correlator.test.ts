import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { EventCorrelator, type CorrelatedEvent } from './event-correlator.ts';

const about = { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u' };

function setup(): { clock: FakeClock; report: (message: string, reason?: string, name?: string) => CorrelatedEvent | undefined } {
  const clock = new FakeClock();
  const correlator = new EventCorrelator(clock);
  const report = (message: string, reason = 'Failed', name = 'web'): CorrelatedEvent | undefined =>
    correlator.correlate({ about: { ...about, name }, type: 'Warning', reason, message, at: clock.now() });
  return { clock, report };
}

test('an equal event is counted under the name and first time of the first', async () => {
  const { clock, report } = setup();
  const first = report('boom');
  await clock.advance(5000);
  const second = report('boom');
  expect(first).toMatchObject({ count: 1, message: 'boom', firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z' });
  expect(second).toMatchObject({
    count: 2,
    name: first?.name,
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:05Z',
  });
});

test('events in the same millisecond have different names', () => {
  const { report } = setup();
  const names = [report('a')?.name, report('b')?.name];
  expect(new Set(names).size).toBe(2);
  expect(names.every((name) => /^web\.[0-9a-f]+$/.test(name ?? ''))).toBe(true);
});

test('the tenth different message of a reason is combined, and so are those that follow', () => {
  const { report } = setup();
  const messages = Array.from({ length: 12 }, (_, index) => report(`try ${index}`));
  expect(messages.slice(0, 9).every((event, index) => event?.message === `try ${index}` && event.count === 1)).toBe(true);
  expect(messages[9]).toMatchObject({ message: '(combined from similar events): try 9', count: 1 });
  expect(messages[11]).toMatchObject({ message: '(combined from similar events): try 11', count: 3, name: messages[9]?.name });
});

test('after ten quiet minutes messages stand for themselves again', async () => {
  const { clock, report } = setup();
  for (let index = 0; index < 12; index += 1) report(`try ${index}`);
  await clock.advance(600_001);
  expect(report('try 99')?.message).toBe('try 99');
});

test('after 25 events about an object one passes in five minutes; other objects are not affected', async () => {
  const { clock, report } = setup();
  const passed = Array.from({ length: 30 }, () => report('boom')).filter((event) => event !== undefined);
  expect(passed).toHaveLength(25);
  expect(report('boom', 'Failed', 'other')).toBeDefined();
  await clock.advance(300_000);
  expect(report('boom')).toMatchObject({ count: 31 });
  expect(report('boom')).toBeUndefined();
});
