import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { CONFIG_MAPS, LEASES, PODS, SECRETS } from '../../../src/cluster/resources.ts';
import { apiStatus, isExpired } from '../../../src/cluster/status-error.ts';
import type { WatchEvent } from '../../../src/cluster/types.ts';
import { isConflict, isNotFound, isUnavailable } from '../../../src/lib/errors.ts';
import { FakeClock } from '../../../src/lib/fake-clock.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { HalfOpenProxy } from './half-open-proxy.ts';
import {
  LoopbackServer,
  connectTo,
  sendJson,
  sendStatus,
  writeEvent,
  type Exchange,
  type ServerAnswer,
  type TestClient,
} from './server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const never = new AbortController().signal;
const secret = (name: string, resourceVersion = '5'): object => ({ metadata: { name, namespace: 'shop', resourceVersion } });
const lease = { metadata: { name: 'node-1', namespace: 'kube-node-lease', resourceVersion: '1' }, spec: {} };

async function start(handle: (exchange: Exchange) => void | Promise<void>, maxConcurrentStreams = 100): Promise<LoopbackServer> {
  const server = await LoopbackServer.start({ maxConcurrentStreams, handle });
  cleanups.push(() => server.close());
  return server;
}

function connect(...options: Parameters<typeof connectTo>): TestClient {
  const client = connectTo(...options);
  cleanups.push(() => client.transport.close());
  return client;
}

/** Reads a watch into a list until it ends or fails. */
function follow(client: TestClient, signal: AbortSignal, name = 'a'): { events: WatchEvent<unknown>[]; end: Promise<unknown> } {
  const events: WatchEvent<unknown>[] = [];
  const options = { namespace: 'shop', fieldSelector: `metadata.name=${name}`, resourceVersion: '1', timeoutSeconds: 300 };
  const read = async (): Promise<unknown> => {
    for await (const event of client.client.watch(SECRETS, options, signal)) events.push(event);
    return undefined;
  };
  return { events, end: read().catch((error: unknown) => error) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries += 1) await systemClock.sleep(10);
  expect(condition()).toBe(true);
}

test('three hundred watches are held at once and the lease is still renewed without waiting behind them', async () => {
  const watches: ServerAnswer[] = [];
  let mostInOneSession = 0;
  const server = await start(({ url, answer, method }) => {
    if (method === 'PUT') return sendJson(answer, 200, lease);
    expect(url.searchParams.get('watch')).toBe('true');
    watches.push(answer);
    const perSession = new Map<unknown, number>();
    for (const watch of watches) perSession.set(watch.stream?.session, (perSession.get(watch.stream?.session) ?? 0) + 1);
    mostInOneSession = Math.max(...perSession.values());
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret(url.searchParams.get('fieldSelector') ?? ''));
  });
  const client = connect(server);
  const controller = new AbortController();
  const followed = Array.from({ length: 300 }, (_, index) => follow(client, controller.signal, `secret-${index}`));
  await until(() => followed.every(({ events }) => events.length === 1));
  expect(mostInOneSession).toBe(100);
  expect(server.sessions.size).toBe(3);

  await client.client.update(LEASES, { namespace: 'kube-node-lease', name: 'node-1' }, lease, never);
  expect(server.sessions.size).toBe(4);

  for (const watch of watches) writeEvent(watch, 'MODIFIED', secret('x', '6'));
  await until(() => followed.every(({ events }) => events.length === 2));
  controller.abort(new Error('done'));
  const ends = await Promise.all(followed.map(({ end }) => end));
  expect(ends.every((end) => end instanceof Error && end.message === 'done')).toBe(true);
  await until(() => server.sessions.size <= 2); // an empty session is closed as long as another is there
});

test('a server that drops its connections without a word fails the watch instead of ending it, and the next request gets a new connection', async () => {
  const server = await start(({ url, answer }) => {
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, secret('a'));
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret('a'));
  });
  const client = connect(server);
  const watch = follow(client, never);
  await until(() => watch.events.length === 1);
  server.breakConnections();
  expect(isUnavailable(await watch.end)).toBe(true);
  await expect(client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
});

test('a body cut in the middle is a lost connection, never a short answer', async () => {
  const server = await start(({ answer }) => {
    answer.writeHead(200);
    answer.write('{"metadata":{"name":"a"}}');
    setTimeout(() => answer.stream?.session?.destroy(), 50);
  });
  const client = connect(server);
  const failure = await client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never).catch((error: unknown) => error);
  expect(isUnavailable(failure)).toBe(true);
  expect(String(failure)).toContain('was lost');
});

test('after GOAWAY new requests use a new session while a watch on the old one goes on', async () => {
  const watches: ServerAnswer[] = [];
  const server = await start(({ url, answer }) => {
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, secret('a'));
    watches.push(answer);
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret('a'));
  });
  const client = connect(server);
  await client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  const first = follow(client, never);
  await until(() => first.events.length === 1);
  for (const session of server.sessions) session.goaway(0);
  const second = follow(client, never);
  await until(() => second.events.length === 1);
  await client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  expect(new Set(watches.map((watch) => watch.stream?.session)).size).toBe(2);
  for (const watch of watches) writeEvent(watch, 'MODIFIED', secret('a', '6'));
  await until(() => first.events.length === 2 && second.events.length === 2);
});

test('a stream that the server refuses to start is sent again elsewhere', async () => {
  let refused = 0;
  const server = await start(({ answer }) => {
    if (refused === 0 && answer.stream !== undefined) {
      refused += 1;
      answer.stream.close(7); // REFUSED_STREAM
      return;
    }
    sendJson(answer, 200, secret('a'));
  });
  const client = connect(server);
  await expect(client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
  expect(refused).toBe(1);
});

test('a half-open connection is found by its unanswered ping', async () => {
  const server = await start(({ url, answer }) => {
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, secret('a'));
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret('a'));
  });
  const proxy = await HalfOpenProxy.start(server.url);
  cleanups.push(() => proxy.close());
  const clock = new FakeClock();
  const client = connect({ url: proxy.url, ca: server.ca }, { clock });
  const watch = follow(client, never);
  await until(() => watch.events.length === 1);
  await clock.advance(30_000); // this ping is answered
  await systemClock.sleep(100);
  proxy.freeze();
  await clock.advance(30_000);
  await clock.advance(15_000);
  expect(String(await watch.end)).toContain('did not answer a ping within 15 s');
  proxy.thaw();
  await expect(client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
});

test('an answer that never comes ends at the deadline, which names the request', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const server = await start(() => void (asked += 1));
  const client = connect(server, { clock });
  const failure = client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never).catch((error: unknown) => error);
  await until(() => asked === 1);
  await clock.advance(30_000);
  expect(String(await failure)).toContain('GET /api/v1/namespaces/shop/secrets/a did not finish within 30 s');
});

test('hundreds of answers at once come in whole, also those that are complete before anybody reads them', async () => {
  const server = await start(({ url, answer }) => {
    const name = url.pathname.split('/').pop() ?? '';
    sendJson(answer, 200, { ...secret(name), data: { text: 'x'.repeat(300) } });
  });
  const { client } = connect(server);
  for (let round = 0; round < 10; round += 1) {
    const names = Array.from({ length: 400 }, (_, index) => `secret-${index}`);
    const answers = await Promise.all(names.map((name) => client.get(SECRETS, { namespace: 'shop', name }, never)));
    expect(answers.map(({ metadata }) => metadata.name)).toEqual(names);
  }
});

test('a large answer is read through pauses, and a reader that leaves early frees its stream', async () => {
  const items = Array.from({ length: 400 }, (_, index) => ({ ...secret(`s-${index}`), data: { text: 'y'.repeat(20_000) } }));
  const server = await start(({ url, answer }) => {
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, { metadata: { resourceVersion: '9' }, items });
    answer.writeHead(200);
    for (const item of items) writeEvent(answer, 'ADDED', item);
  });
  const { client } = connect(server);
  expect((await client.list(SECRETS, { namespace: 'shop' }, never)).items).toHaveLength(400);
  let seen = 0;
  for await (const _event of client.watch(SECRETS, { resourceVersion: '1', timeoutSeconds: 300 }, never)) {
    seen += 1;
    if (seen === 3) break;
  }
  expect(seen).toBe(3);
});

test('a body that comes drop by drop is read to its end', async () => {
  const server = await start(async ({ answer }) => {
    answer.writeHead(200);
    for (const piece of JSON.stringify(secret('a')).match(/.{1,7}/gs) ?? []) {
      answer.write(piece);
      await systemClock.sleep(5);
    }
    answer.end();
  });
  await expect(connect(server).client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
});

test('errors keep the behaviour and the Status of the server', async () => {
  const server = await start(({ url, answer }) => {
    if (url.pathname.endsWith('/absent')) return sendStatus(answer, 404, 'NotFound');
    if (url.pathname.endsWith('/changed')) return sendStatus(answer, 409, 'Conflict');
    answer.writeHead(200);
    writeEvent(answer, 'ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
  });
  const { client } = connect(server);
  const caught = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
  expect(isNotFound(await caught(client.get(SECRETS, { namespace: 'shop', name: 'absent' }, never)))).toBe(true);
  const conflict = await caught(client.update(CONFIG_MAPS, { namespace: 'shop', name: 'changed' }, {}, never));
  expect(isConflict(conflict)).toBe(true);
  expect(apiStatus(conflict)?.message).toBe('the test says Conflict');
  const watch = follow(connect(server), never);
  expect(isExpired(await watch.end)).toBe(true);
});

test('credentials that are refused are read again once, and the request repeated with the new ones', async () => {
  const server = await start(({ request, answer }) => {
    if (request.headers.authorization === 'Bearer rotated') sendJson(answer, 200, secret('a'));
    else sendStatus(answer, 401, 'Unauthorized');
  });
  const { client, access } = connect(server);
  const get = (): Promise<unknown> => client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  await expect(get()).rejects.toThrow('Unauthorized');
  expect(access.refreshed).toBe(1);
  access.token = 'rotated';
  await expect(get()).resolves.toMatchObject(secret('a'));
});

test('too many requests are repeated after the time that the server asks for', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const server = await start(({ answer }) => {
    asked += 1;
    if (asked === 1) sendStatus(answer, 429, 'TooManyRequests', { 'retry-after': '2' });
    else sendJson(answer, 200, secret('a'));
  });
  const { client } = connect(server, { clock });
  const answer = client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  await until(() => asked === 1);
  await systemClock.sleep(50);
  await clock.advance(1900);
  expect(asked).toBe(1);
  await clock.advance(100);
  await expect(answer).resolves.toMatchObject(secret('a'));
});

test('other credentials mean other connections', async () => {
  const server = await start(({ answer }) => sendJson(answer, 200, secret('a')));
  const { client, access } = connect(server);
  await client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  const [before] = server.sessions;
  access.generation = 2;
  await client.get(SECRETS, { namespace: 'shop', name: 'a' }, never);
  await until(() => server.sessions.size === 1);
  expect(server.sessions.has(before!)).toBe(false);
});

test('a server that speaks only HTTP/1.1 is served too, watches and broken connections included', async () => {
  const server = await start(({ url, answer, request }) => {
    expect(request.httpVersion).toBe('1.1');
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, secret('a'));
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret('a'));
  }, 0);
  const client = connect(server);
  await expect(client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
  const watch = follow(client, never);
  await until(() => watch.events.length === 1);
  server.breakConnections();
  expect(isUnavailable(await watch.end)).toBe(true);
});

test('through a proxy the server is reached by a tunnel, watches included', async () => {
  const server = await start(({ url, answer }) => {
    if (!url.searchParams.has('watch')) return sendJson(answer, 200, secret('a'));
    answer.writeHead(200);
    writeEvent(answer, 'ADDED', secret('a'));
  }, 0);
  const asked: string[] = [];
  const proxy = http.createServer();
  proxy.on('connect', (request: http.IncomingMessage, inbound: net.Socket) => {
    asked.push(request.url ?? '');
    const outbound = net.connect(Number(server.url.port), server.url.hostname, () => {
      inbound.write('HTTP/1.1 200 Connection established\r\n\r\n');
      outbound.pipe(inbound).pipe(outbound);
    });
    for (const socket of [inbound, outbound]) socket.on('error', () => undefined);
    cleanups.push(() => inbound.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  cleanups.push(() => proxy.close());
  const { port } = proxy.address() as net.AddressInfo;
  const client = connect(server, { proxy: new URL(`http://127.0.0.1:${port}`) });
  await expect(client.client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).resolves.toMatchObject(secret('a'));
  const controller = new AbortController();
  const watch = follow(client, controller.signal);
  await until(() => watch.events.length === 1);
  expect(new Set(asked)).toEqual(new Set([server.url.host]));
  controller.abort(new Error('done'));
  expect(String(await watch.end)).toBe('Error: done');
});

test('a server whose certificate nobody signed is refused, and the reason says so', async () => {
  const server = await start(({ answer }) => sendJson(answer, 200, secret('a')));
  const other = await start(() => undefined);
  const { client, health } = connect({ url: server.url, ca: other.ca });
  await expect(client.get(SECRETS, { namespace: 'shop', name: 'a' }, never)).rejects.toThrow(/cannot connect/);
  expect(health.state).toMatchObject({ up: false, trouble: 'tls' });
});

test('a server that is away is unavailable, and found again when it is back', async () => {
  const server = await start(({ answer }) => sendJson(answer, 200, { metadata: { resourceVersion: '7' }, items: [] }));
  const { client, health } = connect(server);
  await server.close();
  cleanups.splice(0, 1);
  await expect(client.list(PODS, {}, never)).rejects.toThrow(/cannot connect|was lost/);
  expect(health.state).toMatchObject({ up: false, trouble: 'unreachable' });
});
