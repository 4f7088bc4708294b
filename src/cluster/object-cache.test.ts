import { afterEach, expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { FakeStream, fakeClient, refusal, type FakeAnswer, type FakeRequest, type FakeTransport } from './fake-transport.ts';
import { ObjectCache, type CacheableObject } from './object-cache.ts';
import { SECRETS } from './resources.ts';

const never = new AbortController().signal;
const caches: ObjectCache<CacheableObject>[] = [];
afterEach(() => {
  for (const cache of caches.splice(0)) cache.close();
});

interface Bed {
  readonly cache: ObjectCache<CacheableObject>;
  readonly clock: FakeClock;
  readonly transport: FakeTransport;
  readonly streams: FakeStream[];
  readonly changes: string[];
}

function secret(resourceVersion: string, extra: object = {}): object {
  return { metadata: { namespace: 'shop', name: 'key', uid: 'u', resourceVersion }, ...extra };
}

const list = (...items: readonly object[]): FakeAnswer => ({ body: { metadata: { resourceVersion: '10' }, items } });

function setup(answer: (request: FakeRequest) => FakeAnswer): Bed {
  const clock = new FakeClock();
  const streams: FakeStream[] = [];
  const { client, transport, health } = fakeClient(clock, (request) => {
    if (!request.query.has('watch')) return answer(request);
    const stream = new FakeStream();
    streams.push(stream);
    return { body: stream };
  });
  const cache = new ObjectCache({ context: { client, clock, log: silentLogger, health, random: () => 0 }, resource: SECRETS });
  caches.push(cache);
  const changes: string[] = [];
  cache.onChange((namespace, name) => changes.push(`${namespace}/${name}`));
  return { cache, clock, transport, streams, changes };
}

test('an object in use is listed and watched by its name, once for all users, until the last releases it', async () => {
  const { cache, transport } = setup(() => list(secret('3')));
  cache.acquire('shop', 'key');
  cache.acquire('shop', 'key');
  expect(await cache.get('shop', 'key', never)).toMatchObject({ metadata: { resourceVersion: '3' } });
  await settle();
  expect(transport.requests.map(({ path, query }) => `${path} ${query.get('fieldSelector')}`)).toEqual([
    '/api/v1/namespaces/shop/secrets metadata.name=key',
    '/api/v1/namespaces/shop/secrets metadata.name=key',
  ]);
  cache.release('shop', 'key');
  expect(cache.size).toBe(1);
  cache.release('shop', 'key');
  expect(cache.size).toBe(0);
  cache.release('shop', 'key');
  expect(cache.size).toBe(0);
});

test('a change is told after it is in the cache, the first list is not', async () => {
  const { cache, streams, changes } = setup(() => list(secret('3')));
  cache.acquire('shop', 'key');
  await cache.get('shop', 'key', never);
  await settle();
  expect(changes).toEqual([]);
  streams[0]?.event('MODIFIED', secret('4'));
  await settle();
  expect(changes).toEqual(['shop/key']);
  expect(await cache.get('shop', 'key', never)).toMatchObject({ metadata: { resourceVersion: '4' } });
});

test('an object that does not exist is absent without asking again, and appears by the watch', async () => {
  const { cache, streams, changes, transport } = setup(() => list());
  cache.acquire('shop', 'key');
  expect(await cache.get('shop', 'key', never)).toBeUndefined();
  expect(await cache.get('shop', 'key', never)).toBeUndefined();
  await settle();
  expect(transport.requests).toHaveLength(2);
  streams[0]?.event('ADDED', secret('11'));
  await settle();
  expect(changes).toEqual(['shop/key']);
  expect(await cache.get('shop', 'key', never)).toBeDefined();
});

test('an immutable object is kept and no longer watched', async () => {
  const { cache, streams, clock, transport } = setup(() => list(secret('3')));
  cache.acquire('shop', 'key');
  await cache.get('shop', 'key', never);
  await settle();
  streams[0]?.event('MODIFIED', secret('4', { immutable: true }));
  await clock.advance(3_600_000);
  expect(transport.requests).toHaveLength(2);
  expect(await cache.get('shop', 'key', never)).toMatchObject({ metadata: { resourceVersion: '4' } });
});

test('an object that is immutable from the first list is never watched', async () => {
  const { cache, transport } = setup(() => list(secret('3', { immutable: true })));
  cache.acquire('shop', 'key');
  expect(await cache.get('shop', 'key', never)).toBeDefined();
  await settle();
  expect(transport.requests).toHaveLength(1);
});

test('who cannot have the first list in time is told why, and told again when it comes', async () => {
  let answer: FakeAnswer = refusal(403, 'Forbidden', 'no relationship found between node and this object');
  const { cache, clock, changes } = setup(() => answer);
  cache.acquire('shop', 'key');
  const asked = cache.get('shop', 'key', never).catch((error: unknown) => error);
  await clock.advance(2000);
  expect(String(await asked)).toContain('Secret "shop/key" could not be read: no relationship found');
  answer = list(secret('3'));
  await clock.advance(3000);
  expect(changes).toEqual(['shop/key']);
});

test('a server that is only slow is waited for longer', async () => {
  const gate = Promise.withResolvers<FakeAnswer>();
  const { cache, clock, transport } = setup(() => list());
  const { handle } = transport;
  transport.handle = (request) => (request.query.has('watch') ? handle(request) : gate.promise);
  cache.acquire('shop', 'key');
  const asked = cache.get('shop', 'key', never);
  await clock.advance(9000);
  gate.resolve(list(secret('3')));
  expect(await asked).toBeDefined();
});

test('an object that nobody watches is asked for', async () => {
  const { cache, transport } = setup(({ path }) => (path.endsWith('/key') ? { body: secret('3') } : refusal(404, 'NotFound')));
  expect(await cache.get('shop', 'key', never)).toBeDefined();
  expect(await cache.get('shop', 'other', never)).toBeUndefined();
  expect(transport.requests).toHaveLength(2);
});
