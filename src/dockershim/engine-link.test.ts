import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { ContainerView } from './container-view.ts';
import { UNLIMITED_HOST } from './engine-host.ts';
import { EngineLink } from './engine-link.ts';
import { FakeEngine, away } from './fake-engine.ts';
import { encodeRecord } from './records.ts';

const { signal } = new AbortController();
const labels = encodeRecord('me', {
  kind: 'container',
  sandboxId: 's',
  metadata: { name: 'c', attempt: 0 },
  labels: {},
  annotations: {},
  userSpecifiedImage: '',
  logPath: '',
});

function setUp(): { engine: FakeEngine; clock: FakeClock; view: ContainerView; link: EngineLink; changes: string[]; logged: string[] } {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const changes: string[] = [];
  const logged: string[] = [];
  const logger: Logger = { ...silentLogger, info: (text) => void logged.push(text), warn: (text) => void logged.push(text) };
  const view = new ContainerView({ engine, instanceId: 'me', clock, logger: silentLogger, onChange: () => undefined });
  const onChange = (connection: unknown): void => void changes.push(connection === undefined ? 'lost' : 'connected');
  const link = new EngineLink({
    engine,
    view,
    instanceId: 'me',
    clock,
    logger,
    probeHost: () => Promise.resolve(UNLIMITED_HOST),
    onChange,
  });
  return { engine, clock, view, link, changes, logged };
}

test('subscribes before it lists, and is connected only when the view equals the engine', async () => {
  const { engine, view, link } = setUp();
  engine.put('a', { labels });
  const hold = Promise.withResolvers<void>();
  engine.holds.set('list', hold.promise);
  link.start();
  let connected = false;
  void link.connected(signal).then(() => (connected = true));
  await settle();
  expect(engine.calls).toEqual(['negotiate', 'info', 'events shorelet.io/instance=me', 'list shorelet.io/instance=me']);
  expect(connected).toBe(false);
  hold.resolve();
  await settle();
  expect(connected).toBe(true);
  expect(view.peek('a')).toBeDefined();
  await link.stop();
});

test('a lost stream is followed by a new subscription and a full list', async () => {
  const { engine, clock, view, link, changes } = setUp();
  link.start();
  await link.connected(signal);
  engine.disconnect();
  await settle();
  expect(changes).toEqual(['connected', 'lost']);
  expect(link.current).toBeUndefined();
  engine.put('missed', { labels });
  await clock.advance(100);
  expect(changes).toEqual(['connected', 'lost', 'connected']);
  expect(view.peek('missed')).toBeDefined();
  await link.stop();
});

test('never gives up, with growing pauses and one log line a change', async () => {
  const { engine, clock, link, logged } = setUp();
  engine.failures.set('negotiate', away);
  link.start();
  await clock.advance(60_000);
  const tries = engine.calls.filter((call) => call === 'negotiate').length;
  expect(tries).toBeGreaterThan(12);
  expect(tries).toBeLessThan(40);
  expect(logged).toEqual(['Docker Engine does not answer']);
  engine.failures.clear();
  await clock.advance(5_000);
  expect(logged).toEqual(['Docker Engine does not answer', 'Connected to Docker Engine']);
  await link.stop();
});

test('a question without a connection tries at once, and fails with the reason', async () => {
  const { engine, clock, link } = setUp();
  engine.failures.set('negotiate', away);
  link.start();
  await clock.advance(30_000);
  const before = engine.calls.length;
  await expect(link.connected(signal)).rejects.toThrow('not reachable');
  expect(engine.calls.length).toBe(before + 1);
  engine.failures.clear();
  await expect(link.connected(signal)).resolves.toMatchObject({ version: { apiVersion: '1.41' } });
  await link.stop();
});

test('a connection that has died without a word is noticed by the sweep', async () => {
  const { engine, clock, link, changes } = setUp();
  link.start();
  await link.connected(signal);
  engine.failures.set('list', away);
  await clock.advance(60_000);
  expect(changes).toEqual(['connected', 'lost']);
  await link.stop();
});

test('at rest it asks for one list a minute and nothing else', async () => {
  const { engine, clock, link } = setUp();
  link.start();
  await link.connected(signal);
  const before = engine.calls.length;
  await clock.advance(10 * 60_000);
  expect(engine.calls.slice(before)).toEqual(Array.from({ length: 10 }, () => 'list shorelet.io/instance=me'));
  await link.stop();
});

test('stopping ends the subscription, and whoever waits is told', async () => {
  const { engine, link } = setUp();
  link.start();
  await link.connected(signal);
  await link.stop();
  expect(engine.subscribers).toBe(0);
  await expect(link.connected(signal)).rejects.toThrow('stopping');
});

test('who asks before the start is told that there is no connection', async () => {
  const { link } = setUp();
  await expect(link.connected(signal)).rejects.toThrow('has not been made');
});
