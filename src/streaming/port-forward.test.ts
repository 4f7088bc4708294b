import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import type { MuxStream } from './mux-stream.ts';
import { acceptPortForward } from './port-forward.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { PortForwardConnection, PortForwardSession } from './types.ts';

const never = new AbortController().signal;

async function start(): Promise<{
  client: SpdyConnection;
  session: PortForwardSession;
  clock: FakeClock;
  opened: PortForwardConnection[];
}> {
  const [socket, theirs] = duplexPair();
  const clock = new FakeClock();
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'portforward.k8s.io' };
  const request = Object.assign(new IncomingMessage(new Socket()), { method: 'POST', url: '/', headers });
  const settings = { clock, log: silentLogger, idleTimeoutMs: 3_600_000, streamCreationTimeoutMs: 30_000 };
  const session = await acceptPortForward({ request, socket, head: Buffer.alloc(0) }, [], settings, never);
  await settle();
  expect(String(theirs.read())).toContain('101 Switching Protocols');
  const opened: PortForwardConnection[] = [];
  void (async () => {
    for await (const connection of session.connections) opened.push(connection);
  })();
  const client = new SpdyConnection(theirs, Buffer.alloc(0), { role: 'client', clock, log: silentLogger });
  return { client, session, clock, opened };
}

function open(client: SpdyConnection, streamtype: string, port: string, requestid?: string): Promise<MuxStream> {
  const headers = new Map([
    ['streamtype', streamtype],
    ['port', port],
  ]);
  if (requestid !== undefined) headers.set('requestid', requestid);
  return client.openStream(headers, never);
}

test('an error and a data stream with one request id make a connection, in either order and mixed with others', async () => {
  const { client, opened } = await start();
  await open(client, 'error', '80', 'a');
  await open(client, 'data', '443', 'b');
  const data = await open(client, 'data', '80', 'a');
  await open(client, 'error', '443', 'b');
  await settle();
  expect(opened.map(({ port, requestId }) => [port, requestId])).toEqual([
    [80, 'a'],
    [443, 'b'],
  ]);
  data.end('to the pod');
  expect(await text(opened[0]!.data)).toBe('to the pod');
});

test('an old client that names no request gets its pairs from the order of its streams', async () => {
  const { client, opened } = await start();
  for (const type of ['error', 'data', 'error', 'data']) await open(client, type, '80');
  await settle();
  expect(opened.map(({ requestId }) => requestId)).toEqual(['1', '5']);
});

test('finishing ends the data, tells the error if there was one, and ends the error stream', async () => {
  const { client, opened } = await start();
  const error = await open(client, 'error', '80', '1');
  const data = await open(client, 'data', '80', '1');
  await settle();
  opened[0]?.data.write('from the pod');
  await opened[0]?.finish('connection refused');
  await opened[0]?.finish('twice');
  expect([await text(data), await text(error)]).toEqual(['from the pod', 'connection refused']);
});

test('a client that resets one connection aborts that one only', async () => {
  const { client, opened, session } = await start();
  for (const id of ['1', '2']) await open(client, 'error', '80', id);
  const data = await open(client, 'data', '80', '1');
  await open(client, 'data', '80', '2');
  await settle();
  data.destroy();
  await settle();
  expect([opened[0]?.signal.aborted, opened[1]?.signal.aborted, session.signal.aborted]).toEqual([true, false, false]);
});

test('a client that is gone aborts all and ends the session', async () => {
  const { client, opened, session } = await start();
  await open(client, 'error', '80', '1');
  await open(client, 'data', '80', '1');
  await settle();
  void client.close();
  await settle();
  expect([opened[0]?.signal.aborted, session.signal.aborted]).toEqual([true, true]);
});

test.each([
  ['no port', 'data', ''],
  ['port 0', 'data', '0'],
  ['a port that is too large', 'data', '65536'],
  ['a port that is no number', 'error', '80x'],
  ['an unknown stream type', 'stdin', '80'],
])('a stream with %s is refused', async (_what, type, port) => {
  const { client } = await start();
  await expect(open(client, type, port, '1')).rejects.toThrow('refused');
});

test('a second data stream of a request is refused', async () => {
  const { client } = await start();
  await open(client, 'data', '80', '1');
  await expect(open(client, 'data', '80', '1')).rejects.toThrow('refused');
});

test('half a pair is given up after 30 s, and the client is told', async () => {
  const { client, clock, opened } = await start();
  const error = await open(client, 'error', '80', '1');
  const told = text(error);
  await clock.advance(30_000);
  expect(await told).toContain('timed out waiting for the data stream of request 1');
  await open(client, 'data', '80', '1');
  await settle();
  expect(opened).toEqual([]);
});
