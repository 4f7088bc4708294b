import { afterEach, expect, test } from 'vitest';
import { UnavailableError } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import type { ApiHealth } from './api-health.ts';
import { FakeStream, fakeClient, refusal, type FakeAnswer, type FakeRequest, type FakeTransport } from './fake-transport.ts';
import { Reflector, type ReflectorContext } from './reflector.ts';
import { SECRETS } from './resources.ts';
import type { Change } from './types.ts';

const controllers: AbortController[] = [];
afterEach(() => {
  for (const controller of controllers.splice(0)) controller.abort(new Error('test over'));
});

function secret(name: string, resourceVersion: string, uid = `uid-${name}`): object {
  return { metadata: { namespace: 'shop', name, uid, resourceVersion } };
}

const page = (resourceVersion: string, items: readonly object[], more?: string): FakeAnswer => ({
  body: { metadata: { resourceVersion, ...(more === undefined ? {} : { continue: more }) }, items },
});

interface Bed {
  readonly clock: FakeClock;
  readonly transport: FakeTransport;
  readonly health: ApiHealth;
  readonly reflector: Reflector<{ metadata: { name: string } }>;
  readonly changes: string[];
  readonly lines: string[];
  readonly streams: FakeStream[];
  readonly controller: AbortController;
  ended: boolean;
  lists: () => FakeRequest[];
  watches: () => FakeRequest[];
}

/** Lists answer by `list`, watches by a stream each. */
async function start(list: (request: FakeRequest) => FakeAnswer): Promise<Bed> {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, warn: write, info: write, error: write };
  const streams: FakeStream[] = [];
  const handle = (request: FakeRequest): FakeAnswer => {
    if (!request.query.has('watch')) return list(request);
    const stream = new FakeStream();
    streams.push(stream);
    return { body: stream };
  };
  const { client, transport, health } = fakeClient(clock, handle, log);
  const context: ReflectorContext = { client, clock, log, health, random: () => 0 };
  const reflector = new Reflector(context, { resource: SECRETS, namespace: 'shop', fieldSelector: 'metadata.name=a' });
  const changes: string[] = [];
  reflector.onChange((change: Change<{ metadata: { name: string; resourceVersion?: string } }>) => {
    const { name, resourceVersion } = change.object.metadata;
    changes.push(`${change.type} ${name}@${resourceVersion}`);
  });
  const controller = new AbortController();
  controllers.push(controller);
  const bed: Bed = {
    clock,
    transport,
    health,
    reflector,
    changes,
    lines,
    streams,
    controller,
    ended: false,
    lists: () => transport.requests.filter((request) => !request.query.has('watch')),
    watches: () => transport.requests.filter((request) => request.query.has('watch')),
  };
  void reflector.run(controller.signal).then(() => (bed.ended = true));
  await settle();
  return bed;
}

test('the store holds the list and follows the watch; listeners hear every change once', async () => {
  const bed = await start(() => page('10', [secret('a', '3'), secret('b', '4')]));
  expect(bed.reflector.hasSynced()).toBe(true);
  bed.streams[0]?.event('MODIFIED', secret('a', '11'));
  bed.streams[0]?.event('MODIFIED', secret('a', '11'));
  bed.streams[0]?.event('DELETED', secret('b', '12'));
  bed.streams[0]?.event('ADDED', secret('c', '13'));
  await settle();
  expect(bed.changes).toEqual(['added a@3', 'added b@4', 'modified a@11', 'deleted b@12', 'added c@13']);
  expect(bed.reflector.list().map((object) => object.metadata.name)).toEqual(['a', 'c']);
  expect(bed.reflector.get('shop', 'a')).toMatchObject({ metadata: { resourceVersion: '11' } });
});

test('the first list may come from the cache, with the selector; the watch asks for bookmarks and a time', async () => {
  const bed = await start(() => page('10', []));
  expect(Object.fromEntries(bed.lists()[0]?.query ?? [])).toEqual({ fieldSelector: 'metadata.name=a', resourceVersion: '0', limit: '500' });
  expect(Object.fromEntries(bed.watches()[0]?.query ?? [])).toEqual({
    fieldSelector: 'metadata.name=a',
    resourceVersion: '10',
    timeoutSeconds: '300',
    watch: 'true',
    allowWatchBookmarks: 'true',
  });
});

test('the store changes only when the last page is in', async () => {
  let second: FakeAnswer = refusal(503, 'ServiceUnavailable');
  const bed = await start(({ query }) => (query.has('continue') ? second : page('10', [secret('a', '1')], 'two')));
  expect(bed.lists()[1]?.query.get('continue')).toBe('two');
  expect(bed.lists()[1]?.query.has('resourceVersion')).toBe(false);
  expect([bed.reflector.list(), bed.reflector.hasSynced()]).toEqual([[], false]);
  second = page('10', [secret('b', '2')]);
  await bed.clock.advance(800);
  expect(bed.changes).toEqual(['added a@1', 'added b@2']);
});

test('after 410 the list is read again consistently and what has gone meanwhile is deleted', async () => {
  let items = [secret('a', '3'), secret('b', '4'), secret('c', '5')];
  const bed = await start(() => page('10', items));
  bed.changes.length = 0;
  items = [secret('a', '3'), secret('c', '20', 'recreated')];
  bed.streams[0]?.event('BOOKMARK', { metadata: { resourceVersion: '15' } });
  bed.streams[0]?.event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' });
  await settle();
  expect(bed.lists()[1]?.query.has('resourceVersion')).toBe(false);
  expect(bed.changes).toEqual(['deleted b@4', 'deleted c@5', 'added c@20']);
  expect(bed.streams).toHaveLength(2);
});

test('an abrupt end of the watch is followed by another from the last version, bookmarks included', async () => {
  const bed = await start(() => page('10', [secret('a', '3')]));
  bed.streams[0]?.event('BOOKMARK', { metadata: { resourceVersion: '55' } });
  bed.streams[0]?.fail();
  await bed.clock.advance(800);
  expect(bed.watches()[1]?.query.get('resourceVersion')).toBe('55');
  expect(bed.lists()).toHaveLength(1);
  expect(bed.ended).toBe(false);
});

test('a server that is away for minutes is waited for, with one line, and the store keeps what it had', async () => {
  const bed = await start(() => page('10', [secret('a', '3')]));
  const { handle } = bed.transport;
  bed.lines.length = 0;
  bed.transport.handle = () => refusal(403, 'Forbidden');
  bed.streams[0]?.fail();
  await bed.clock.advance(120_000);
  expect(bed.transport.requests.length).toBeLessThan(20);
  expect(bed.reflector.list()).toHaveLength(1);
  bed.transport.handle = handle;
  await bed.clock.advance(30_000);
  expect(bed.lines).toEqual(['A watch fails; retrying', 'No watch fails any more']);
  expect(bed.streams).toHaveLength(2);
});

test('a malformed object or a line that is no JSON never ends it', async () => {
  const bed = await start(() => page('10', [{ metadata: {} }, secret('a', '3')]));
  expect(bed.reflector.list()).toHaveLength(1);
  bed.streams[0]?.event('ADDED', { metadata: { resourceVersion: '11' } });
  bed.streams[0]?.event('ADDED', secret('b', '12'));
  await settle();
  expect(bed.reflector.list()).toHaveLength(2);
  bed.streams[0]?.event('NONSENSE' as 'ADDED', {});
  await bed.clock.advance(800);
  expect(bed.streams).toHaveLength(2);
});

test('a listener that throws keeps nobody else from hearing the change', async () => {
  const bed = await start(() => page('10', []));
  bed.reflector.onChange(() => {
    throw new Error('listener');
  });
  const heard: string[] = [];
  bed.reflector.onChange((change) => heard.push(change.object.metadata.name));
  bed.streams[0]?.event('ADDED', secret('b', '12'));
  bed.streams[0]?.event('ADDED', secret('c', '13'));
  await settle();
  expect(heard).toEqual(['b', 'c']);
  expect(bed.lines).toContain('A listener of a watch failed');
});

test('who waits for the first list is told, or leaves with its own signal', async () => {
  let answer: FakeAnswer = refusal(503, 'ServiceUnavailable');
  const bed = await start(() => answer);
  const impatient = new AbortController();
  const left = bed.reflector.synced(impatient.signal);
  const synced = bed.reflector.synced(new AbortController().signal);
  impatient.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  expect(bed.reflector.lastError).toBeInstanceOf(Error);
  answer = page('10', []);
  await bed.clock.advance(800);
  await synced;
  expect(bed.reflector.lastError).toBeUndefined();
});

test('its signal ends it at any stage', async () => {
  const watching = await start(() => page('10', []));
  watching.controller.abort(new Error('stop'));
  const waiting = await start(() => refusal(503, 'ServiceUnavailable'));
  waiting.controller.abort(new Error('stop'));
  await settle();
  expect([watching.ended, waiting.ended]).toEqual([true, true]);
  expect(waiting.clock.pendingTimers).toBe(0);
});

test('a long pause ends when the server is back for everybody', async () => {
  const bed = await start(() => page('10', [secret('a', '3')]));
  const { handle } = bed.transport;
  bed.transport.handle = () => Promise.reject(new UnavailableError('refused'));
  bed.streams[0]?.fail();
  await bed.clock.advance(60_000);
  expect(bed.health.state?.up).toBe(false);
  const tries = bed.transport.requests.length;
  bed.transport.handle = handle;
  bed.health.reportAnswer();
  await bed.clock.advance(0);
  expect(bed.transport.requests).toHaveLength(tries + 1);
  expect(bed.streams).toHaveLength(2);
});
