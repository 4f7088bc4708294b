import { expect, test } from 'vitest';
import { formatTime } from '../api/meta.ts';
import { isNotFound } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { fakeClient, refusal, type FakeAnswer, type FakeRequest, type FakeTransport } from './fake-transport.ts';
import { TokenManager } from './token-manager.ts';

const never = new AbortController().signal;
const request = {
  namespace: 'shop',
  serviceAccount: 'default',
  audiences: ['api'],
  expirationSeconds: 3607,
  pod: { name: 'web', uid: 'u-1' },
};

interface Bed {
  readonly tokens: TokenManager;
  readonly clock: FakeClock;
  readonly transport: FakeTransport;
}

function setup(granted = request.expirationSeconds): Bed & { answer: (request: FakeRequest) => FakeAnswer } {
  const clock = new FakeClock();
  let issued = 0;
  const answer = (): FakeAnswer => ({
    body: {
      spec: { expirationSeconds: granted, audiences: ['api'] },
      status: { token: `token-${(issued += 1)}`, expirationTimestamp: formatTime(clock.now() + granted * 1000) },
    },
  });
  const { client, transport } = fakeClient(clock, answer);
  return { tokens: new TokenManager({ client, clock, log: silentLogger, random: () => 0 }), clock, transport, answer };
}

test('a token is requested for the pod, once however many ask, and answered from the cache', async () => {
  const { tokens, transport } = setup();
  const [first, second] = await Promise.all([tokens.token(request, never), tokens.token(request, never)]);
  expect(first.token).toBe('token-1');
  expect(second).toEqual(first);
  expect((await tokens.token(request, never)).token).toBe('token-1');
  expect(transport.requests).toHaveLength(1);
  expect(transport.requests[0]).toMatchObject({
    method: 'POST',
    path: '/api/v1/namespaces/shop/serviceaccounts/default/token',
    body: {
      spec: { audiences: ['api'], expirationSeconds: 3607, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'u-1' } },
    },
  });
});

test('a token is renewed after four fifths of its life', async () => {
  const { tokens, clock } = setup();
  const first = await tokens.token(request, never);
  expect(first.refreshAt).toBe(clock.now() + 0.8 * 3607_000);
  await clock.advance(0.8 * 3607_000 - 1);
  expect((await tokens.token(request, never)).token).toBe('token-1');
  await clock.advance(1);
  expect((await tokens.token(request, never)).token).toBe('token-2');
});

test('a token that lives for a year is renewed after a day', async () => {
  const { tokens, clock } = setup(365 * 86_400);
  const first = await tokens.token(request, never);
  expect(first.refreshAt).toBe(clock.now() + 86_400_000);
});

test('other audiences, lifetimes and pods have tokens of their own', async () => {
  const { tokens } = setup();
  const asked = [
    request,
    { ...request, audiences: [] },
    { ...request, expirationSeconds: 600 },
    { ...request, pod: { name: 'web', uid: 'u-2' } },
  ];
  const got = await Promise.all(asked.map((each) => tokens.token(each, never)));
  expect(new Set(got.map(({ token }) => token)).size).toBe(4);
});

test('when the refresh fails the old token is answered while it is valid, then the failure', async () => {
  const { tokens, clock, transport } = setup();
  await tokens.token(request, never);
  transport.handle = () => refusal(503, 'ServiceUnavailable');
  await clock.advance(3_000_000);
  expect((await tokens.token(request, never)).token).toBe('token-1');
  const requests = transport.requests.length;
  await tokens.token(request, never);
  expect(transport.requests).toHaveLength(requests); // not asked again at once
  await clock.advance(700_000);
  await expect(tokens.token(request, never)).rejects.toThrow(/"shop\/default" could not be had/);
});

test('the failure keeps the behaviour of its cause and leaves nothing behind', async () => {
  const { tokens, transport } = setup();
  transport.handle = () => refusal(404, 'NotFound', 'serviceaccounts "default" not found');
  const error: unknown = await tokens.token(request, never).catch((thrown: unknown) => thrown);
  expect(isNotFound(error)).toBe(true);
  expect(tokens.size).toBe(0);
});

test('nothing of a pod is kept after it is gone, a request under way included', async () => {
  const { tokens, transport } = setup();
  const { handle } = transport;
  const gate = Promise.withResolvers<void>();
  transport.handle = async (sent) => {
    await gate.promise;
    return handle(sent);
  };
  const pending = tokens.token(request, never);
  await settle();
  tokens.forgetPod('u-1');
  gate.resolve();
  await pending;
  expect(tokens.size).toBe(0);
});
