import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { fakeClient, refusal } from './fake-transport.ts';
import { AccessReviewer, TokenReviewer } from './reviews.ts';

const never = new AbortController().signal;
const user = { username: 'jane', groups: ['dev'], extra: { scope: ['a'] } };
const logs = { group: '', version: 'v1', resource: 'nodes', subresource: 'proxy', name: 'node-1' };

test('a token is reviewed once in two minutes, and its user passed on whole', async () => {
  const clock = new FakeClock();
  const { client, transport } = fakeClient(clock, () => ({ body: { status: { authenticated: true, user: { ...user, uid: '7' } } } }));
  const reviewer = new TokenReviewer({ client, clock, cacheTtlMs: 120_000 });
  expect(await reviewer.authenticateToken('t', never)).toEqual({ ...user, uid: '7' });
  await clock.advance(119_999);
  await reviewer.authenticateToken('t', never);
  expect(transport.requests).toHaveLength(1);
  expect(transport.requests[0]).toMatchObject({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: { spec: { token: 't' } },
  });
  await clock.advance(1);
  await reviewer.authenticateToken('t', never);
  expect(transport.requests).toHaveLength(2);
});

test('an unknown token has no user, and neither has one without a name', async () => {
  const clock = new FakeClock();
  const { client, transport } = fakeClient(clock, () => ({ body: { status: { authenticated: false, error: 'expired' } } }));
  const reviewer = new TokenReviewer({ client, clock, cacheTtlMs: 120_000 });
  expect(await reviewer.authenticateToken('bad', never)).toBeUndefined();
  transport.handle = () => ({ body: { status: { authenticated: true, user: {} } } });
  expect(await reviewer.authenticateToken('nameless', never)).toBeUndefined();
});

test('a server that cannot answer is an error and nothing is remembered of it', async () => {
  const clock = new FakeClock();
  const { client, transport } = fakeClient(clock, () => refusal(503, 'ServiceUnavailable'));
  const reviewer = new TokenReviewer({ client, clock, cacheTtlMs: 120_000 });
  await expect(reviewer.authenticateToken('t', never)).rejects.toThrow('ServiceUnavailable');
  transport.handle = () => ({ body: { status: { authenticated: true, user } } });
  expect(await reviewer.authenticateToken('t', never)).toEqual(user);
});

test('what is allowed is remembered for five minutes, what is not for half a minute', async () => {
  const clock = new FakeClock();
  let allowed = true;
  const { client, transport } = fakeClient(clock, () => ({ body: { status: { allowed, reason: 'RBAC' } } }));
  const reviewer = new AccessReviewer({ client, clock, authorizedTtlMs: 300_000, unauthorizedTtlMs: 30_000 });
  const get = { user, verb: 'get', resource: logs };
  const create = { user, verb: 'create', resource: logs };
  expect(await reviewer.authorize(get, never)).toEqual({ allowed: true, reason: 'RBAC' });
  allowed = false;
  expect(await reviewer.authorize(create, never)).toMatchObject({ allowed: false });
  await clock.advance(29_999);
  await reviewer.authorize(get, never);
  await reviewer.authorize(create, never);
  expect(transport.requests).toHaveLength(2);
  await clock.advance(1);
  await reviewer.authorize(get, never);
  await reviewer.authorize(create, never);
  expect(transport.requests).toHaveLength(3);
  await clock.advance(270_000);
  expect(await reviewer.authorize(get, never)).toMatchObject({ allowed: false });
});

test('a review names the user, the verb and the resource or the path', async () => {
  const clock = new FakeClock();
  const { client, transport } = fakeClient(clock, () => ({ body: { status: { allowed: true } } }));
  const reviewer = new AccessReviewer({ client, clock, authorizedTtlMs: 300_000, unauthorizedTtlMs: 30_000 });
  await reviewer.authorize({ user, verb: 'get', resource: logs }, never);
  await reviewer.authorize({ user, verb: 'get', nonResourcePath: '/healthz' }, never);
  expect(transport.requests.map(({ body }) => body)).toMatchObject([
    { spec: { user: 'jane', groups: ['dev'], extra: user.extra, resourceAttributes: { ...logs, verb: 'get' } } },
    { spec: { nonResourceAttributes: { path: '/healthz', verb: 'get' } } },
  ]);
});

test('an explicit denial outweighs an allowance', async () => {
  const clock = new FakeClock();
  const { client } = fakeClient(clock, () => ({ body: { status: { allowed: true, denied: true } } }));
  const reviewer = new AccessReviewer({ client, clock, authorizedTtlMs: 300_000, unauthorizedTtlMs: 30_000 });
  expect((await reviewer.authorize({ user, verb: 'get', resource: logs }, never)).allowed).toBe(false);
});
