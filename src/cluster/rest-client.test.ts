import { expect, test } from 'vitest';
import { isInvalidInput } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { FakeStream, fakeClient, refusal } from './fake-transport.ts';
import { resourcePath } from './resource-path.ts';
import { LEASES, NODES, PODS, SECRETS } from './resources.ts';

const never = new AbortController().signal;
const secret = { metadata: { namespace: 'shop', name: 'a', resourceVersion: '3', managedFields: [{ manager: 'kubectl' }] } };

test('paths follow group, namespace, name and subresource, escaped', () => {
  expect(resourcePath(PODS, {})).toBe('/api/v1/pods');
  expect(resourcePath(PODS, { namespace: 'shop', name: 'web', subresource: 'status' })).toBe('/api/v1/namespaces/shop/pods/web/status');
  expect(resourcePath(NODES, { namespace: 'ignored', name: 'n' })).toBe('/api/v1/nodes/n');
  expect(resourcePath(LEASES, { namespace: 'x', name: 'system:a/b' })).toBe(
    '/apis/coordination.k8s.io/v1/namespaces/x/leases/system%3Aa%2Fb',
  );
  expect(resourcePath(PODS, {}, { fieldSelector: 'spec.nodeName=a b', watch: true, limit: undefined })).toBe(
    '/api/v1/pods?fieldSelector=spec.nodeName%3Da%20b&watch=true',
  );
  expect(() => resourcePath(PODS, { namespace: '..', name: 'x' })).toThrow(/cannot name an object/);
});

test('every request says who asks and what it takes; a body says what it is', async () => {
  const { client, transport } = fakeClient(new FakeClock(), () => ({ body: secret }));
  await client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  await client.patch(
    SECRETS,
    { namespace: 'shop', name: 'a' },
    { type: 'apply', body: { a: 'ü' }, fieldManager: 'shorelet', force: true },
    never,
  );
  expect(transport.requests[0]?.headers).toEqual({
    authorization: 'Bearer test',
    accept: 'application/json',
    'user-agent': 'shorelet/test',
  });
  expect(transport.requests[1]).toMatchObject({
    headers: { 'content-type': 'application/apply-patch+yaml', 'content-length': '10' },
    body: { a: 'ü' },
  });
  expect(transport.requests[1]?.query.toString()).toBe('fieldManager=shorelet&force=true');
});

test('managed fields are dropped from whatever comes in', async () => {
  const { client } = fakeClient(new FakeClock(), ({ query }) => {
    if (!query.has('watch')) return { body: { metadata: { resourceVersion: '9', continue: '' }, items: [secret] } };
    const stream = new FakeStream();
    stream.event('ADDED', secret);
    stream.end();
    return { body: stream };
  });
  const list = await client.list(SECRETS, {}, never);
  expect(list).toEqual({ resourceVersion: '9', items: [{ metadata: { namespace: 'shop', name: 'a', resourceVersion: '3' } }] });
  for await (const event of client.watch(SECRETS, { resourceVersion: '9', timeoutSeconds: 10 }, never)) {
    expect(event).toMatchObject({ type: 'added', object: { metadata: { name: 'a' } } });
    expect(event.type === 'bookmark' ? {} : event.object.metadata).not.toHaveProperty('managedFields');
  }
});

test('short requests and watches travel in different lanes', async () => {
  const { client, transport } = fakeClient(new FakeClock(), ({ lane }) => {
    if (lane === 'short') return { body: secret };
    const stream = new FakeStream();
    stream.end();
    return { body: stream };
  });
  await client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  for await (const event of client.watch(SECRETS, { resourceVersion: '9', timeoutSeconds: 10 }, never)) expect(event).toBeUndefined();
  expect(transport.requests.map(({ lane }) => lane)).toEqual(['short', 'watch']);
});

test('an answer of another kind is an error, not an object', async () => {
  const { client } = fakeClient(new FakeClock(), () => ({ body: { metadata: { name: 'web' } } }));
  await expect(client.get(PODS, { namespace: 'shop', name: 'web' }, never)).rejects.toThrow('was not answered with a Pod');
});

test('a watch that outlives its time hangs and is ended', async () => {
  const clock = new FakeClock();
  const { client } = fakeClient(clock, () => ({ body: new FakeStream() }));
  const watch = client.watch(SECRETS, { resourceVersion: '9', timeoutSeconds: 300 }, never);
  const ended = watch.next().catch((error: unknown) => String(error));
  await clock.advance(359_999);
  await clock.advance(1);
  expect(await ended).toContain('the watch of secrets did not end in time');
  expect(clock.pendingTimers).toBe(0);
});

test('a busy server is asked again at most ten times, at the pace that it asks for', async () => {
  const clock = new FakeClock();
  const { client, transport } = fakeClient(clock, () => ({ ...refusal(429, 'TooManyRequests'), headers: { 'retry-after': '1' } }));
  const asked = client.get(SECRETS, { namespace: 'shop', name: 'a' }, never).catch((error: unknown) => String(error));
  await clock.advance(60_000);
  expect(await asked).toContain('TooManyRequests');
  expect(transport.requests).toHaveLength(11);
});

test('what the caller gives up is neither repeated nor held against the server', async () => {
  const clock = new FakeClock();
  const { client, transport, health } = fakeClient(clock, () => new Promise(() => undefined));
  const controller = new AbortController();
  const asked = client.get(SECRETS, { namespace: 'shop', name: 'a' }, controller.signal);
  await settle();
  controller.abort(new Error('gave up'));
  await expect(asked).rejects.toThrow('gave up');
  expect([transport.requests.length, health.state, clock.pendingTimers]).toEqual([1, undefined, 0]);
});

test('a request that is wrong stays wrong', async () => {
  const { client, transport } = fakeClient(new FakeClock(), () => refusal(422, 'Invalid'));
  const error: unknown = await client.create(SECRETS, { namespace: 'shop' }, {}, never).catch((thrown: unknown) => thrown);
  expect(isInvalidInput(error)).toBe(true);
  expect(transport.requests).toHaveLength(1);
});
