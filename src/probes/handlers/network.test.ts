/** Probes over real sockets of this machine's loopback: what Node does with them is what is tested. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { probeHttp, type HttpProbe } from './http.ts';
import { probeTcp } from './tcp.ts';

const signal = new AbortController().signal;

async function listen(server: Server, atEnd: (cleanUp: () => void) => void): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  return listen(createServer(handle), onTestFinished);
}

function probe(port: number, changes: Partial<HttpProbe> = {}) {
  const request = { host: '127.0.0.1', port, scheme: 'HTTP', path: '/', headers: [], userAgent: 'kube-probe/1.37', timeoutMs: 4000 };
  return probeHttp(systemClock, { ...request, ...changes }, signal);
}

test.each([
  [200, 'success'],
  [204, 'success'],
  [304, 'warning'],
  [400, 'failure'],
  [503, 'failure'],
])('status %i is %s', async (status, outcome) => {
  const port = await serve((_, response) => response.writeHead(status).end(status === 204 || status === 304 ? undefined : 'secret'));
  const result = await probe(port);
  expect(result.outcome).toBe(outcome);
  if (outcome === 'failure') expect(result.output).toBe(`HTTP probe failed with statuscode: ${status}`);
});

test('the request has the kubelet’s headers and the path with its query', async () => {
  let seen: IncomingMessage | undefined;
  const port = await serve((request, response) => {
    seen = request;
    response.end('ok');
  });
  expect(await probe(port, { path: '/healthz?full=1' })).toEqual({ outcome: 'success', output: 'ok' });
  expect(seen?.url).toBe('/healthz?full=1');
  expect(seen?.headers).toEqual({ host: `127.0.0.1:${port}`, 'user-agent': 'kube-probe/1.37', accept: '*/*', connection: 'close' });
});

test('headers of the probe replace the usual ones, repeat as often as given, and an empty Accept removes it', async () => {
  let seen: IncomingMessage | undefined;
  const port = await serve((request, response) => {
    seen = request;
    response.end();
  });
  const headers = [
    { name: 'Host', value: 'shop.example' },
    { name: 'user-agent', value: 'mine' },
    { name: 'Accept', value: '' },
    { name: 'X-Two', value: '1' },
    { name: 'X-Two', value: '2' },
  ];
  await probe(port, { headers });
  expect(seen?.headers).toEqual({ host: 'shop.example', 'user-agent': 'mine', 'x-two': '1, 2', connection: 'close' });
});

test('a redirect on the same host is followed, with the Host that was asked for', async () => {
  const hosts: (string | undefined)[] = [];
  const port = await serve((request, response) => {
    hosts.push(request.headers.host);
    if (request.url === '/') response.writeHead(302, { location: '/there' }).end();
    else response.end('arrived');
  });
  expect(await probe(port, { headers: [{ name: 'Host', value: 'shop.example' }] })).toEqual({ outcome: 'success', output: 'arrived' });
  expect(hosts).toEqual(['shop.example', 'shop.example']);
});

test('a redirect to another host is not followed and is a warning', async () => {
  const port = await serve((_, response) => response.writeHead(302, { location: 'http://elsewhere.example/' }).end('moved'));
  expect(await probe(port)).toEqual({ outcome: 'warning', output: 'Probe terminated redirects, Response body: moved' });
});

test('a redirect without an end is a failure after ten', async () => {
  let requests = 0;
  const port = await serve((_, response) => {
    requests += 1;
    response.writeHead(307, { location: '/again' }).end();
  });
  expect(await probe(port)).toEqual({ outcome: 'failure', output: `Get "http://127.0.0.1:${port}/": stopped after 10 redirects` });
  expect(requests).toBe(10);
});

test('no more of a body is read than goes into a message', async () => {
  const port = await serve((_, response) => response.end('x'.repeat(1_000_000)));
  expect((await probe(port)).output).toHaveLength(10 * 1024);
});

test('an answer that never comes is a failure after the timeout, and the connection is closed', async () => {
  const clock = new FakeClock();
  const arrived = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const port = await serve((request) => {
    request.on('close', () => closed.resolve());
    arrived.resolve();
  });
  const request = { host: '127.0.0.1', port, scheme: 'HTTP', path: '/', headers: [], userAgent: 'x', timeoutMs: 1000 };
  const probing = probeHttp(clock, request, signal);
  await arrived.promise;
  await clock.advance(1000);
  expect(await probing).toEqual({
    outcome: 'failure',
    output: `Get "http://127.0.0.1:${port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  });
  await closed.promise;
});

test('a port where nobody listens is a failure in Go’s words', async () => {
  const server = createTcpServer();
  const port = await listen(server, onTestFinished);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(await probe(port)).toEqual({
    outcome: 'failure',
    output: `Get "http://127.0.0.1:${port}/": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
  expect(await probeTcp(systemClock, { host: '127.0.0.1', port, timeoutMs: 4000 }, signal)).toEqual({
    outcome: 'failure',
    output: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
});

test('an answer that breaks off is no verdict on the container', async () => {
  const port = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('part');
    setImmediate(() => response.destroy());
  });
  await expect(probe(port)).rejects.toThrow('reading the answer failed');
});

test('a TCP probe succeeds on an open port and leaves nothing open', async () => {
  const closed = Promise.withResolvers<void>();
  const port = await listen(
    createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => closed.resolve());
      socket.resume();
    }),
    onTestFinished,
  );
  expect((await probeTcp(systemClock, { host: '127.0.0.1', port, timeoutMs: 4000 }, signal)).outcome).toBe('success');
  await closed.promise;
});

test('a TCP probe whose time is up before there is an answer is a failure', async () => {
  const impatient: Clock = {
    ...systemClock,
    after(_ms, callback) {
      queueMicrotask(callback);
      return { cancel: () => undefined, [Symbol.dispose]: () => undefined };
    },
  };
  const port = await listen(createTcpServer(), onTestFinished);
  expect(await probeTcp(impatient, { host: '127.0.0.1', port, timeoutMs: 1000 }, signal)).toEqual({
    outcome: 'failure',
    output: `dial tcp 127.0.0.1:${port}: i/o timeout`,
  });
});
