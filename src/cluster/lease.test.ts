import { afterEach, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { fakeClient, refusal, type FakeAnswer, type FakeHandler, type FakeRequest, type FakeTransport } from './fake-transport.ts';
import { NodeLease } from './lease.ts';

const controllers: AbortController[] = [];
afterEach(() => {
  for (const controller of controllers.splice(0)) controller.abort(new Error('test over'));
});

/** A server that keeps one lease and checks versions. */
class LeaseServer {
  lease: { metadata: { name: string; resourceVersion: string; ownerReferences?: unknown[] }; spec: Record<string, unknown> } | undefined;
  version = 0;

  readonly handle: FakeHandler = ({ method, body }: FakeRequest): FakeAnswer => {
    if (method === 'GET') return this.lease === undefined ? refusal(404, 'NotFound') : { body: this.lease };
    const sent = body as NonNullable<LeaseServer['lease']>;
    if (method === 'PUT' && sent.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) return refusal(409, 'Conflict');
    this.lease = { ...sent, metadata: { ...sent.metadata, resourceVersion: String((this.version += 1)) } };
    return { body: this.lease };
  };
}

async function start(
  server: LeaseServer,
  nodeUid: () => string | undefined = () => 'node-uid',
): Promise<{ clock: FakeClock; transport: FakeTransport; lines: string[] }> {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, warn: write, info: write };
  const { client, transport, health } = fakeClient(clock, (request) => server.handle(request));
  const lease = new NodeLease({ client, clock, log, health, nodeName: 'node-1', nodeUid, durationSeconds: 40, random: () => 0 });
  const controller = new AbortController();
  controllers.push(controller);
  void lease.run(controller.signal);
  await clock.advance(0);
  return { clock, transport, lines };
}

test('the lease is created with its owner and renewed every ten seconds without reading it again', async () => {
  const server = new LeaseServer();
  const { clock, transport } = await start(server);
  expect(server.lease).toMatchObject({
    metadata: { name: 'node-1', namespace: 'kube-node-lease', ownerReferences: [{ kind: 'Node', name: 'node-1', uid: 'node-uid' }] },
    spec: { holderIdentity: 'node-1', leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z' },
  });
  await clock.advance(30_000);
  expect(transport.requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT', 'PUT', 'PUT']);
  expect(server.lease?.spec['renewTime']).toBe('2026-01-01T00:00:30.000000Z');
});

test('a lease from before the start is adopted', async () => {
  const server = new LeaseServer();
  server.lease = { metadata: { name: 'node-1', resourceVersion: '77' }, spec: { leaseTransitions: 3 } };
  const { transport } = await start(server);
  expect(transport.requests.map(({ method }) => method)).toEqual(['GET', 'PUT']);
  expect(server.lease.spec).toMatchObject({ leaseTransitions: 3, holderIdentity: 'node-1' });
});

test('a lease that somebody changed is read again and renewed at once', async () => {
  const server = new LeaseServer();
  const { clock, lines } = await start(server);
  server.lease = { ...server.lease!, metadata: { name: 'node-1', resourceVersion: 'foreign' } };
  await clock.advance(10_300);
  expect(server.lease.spec['renewTime']).toBe('2026-01-01T00:00:10.200000Z');
  expect(lines).toEqual([]);
});

test('a lease that somebody deleted is made again', async () => {
  const server = new LeaseServer();
  const { clock } = await start(server);
  server.lease = undefined;
  await clock.advance(10_300);
  expect(server.lease).toBeDefined();
});

test('failures are retried within the renewal interval, with one line when they begin and one when they end', async () => {
  const server = new LeaseServer();
  const { clock, transport, lines } = await start(server);
  transport.handle = () => refusal(403, 'Forbidden');
  await clock.advance(60_000);
  const tries = transport.requests.length;
  expect(tries).toBeGreaterThan(8);
  expect(tries).toBeLessThan(25);
  transport.handle = server.handle;
  await clock.advance(10_000);
  expect(lines).toEqual(['The node lease cannot be renewed; retrying', 'The node lease is renewed again']);
});

test('a renewal that hangs is given up in time for the next', async () => {
  const server = new LeaseServer();
  const { clock, transport } = await start(server);
  let hanging = 0;
  transport.handle = () => {
    hanging += 1;
    return new Promise(() => undefined);
  };
  await clock.advance(45_000);
  expect(hanging).toBeGreaterThanOrEqual(3);
});

test('the owner is added as soon as the node is known', async () => {
  const server = new LeaseServer();
  const node: { uid?: string } = {};
  const { clock } = await start(server, () => node.uid);
  expect(server.lease?.metadata.ownerReferences).toBeUndefined();
  node.uid = 'late';
  await clock.advance(10_000);
  expect(server.lease?.metadata.ownerReferences).toEqual([{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'late' }]);
});
