import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createStreamingServer } from '../../../src/streaming/streaming-server.ts';
import type { SpdyConnection } from '../../../src/streaming/spdy/connection.ts';
import type { StreamingServer } from '../../../src/streaming/types.ts';
import { connectSpdy, connectTunnel, connectWebSocket, forward } from './clients.ts';
import { LocalRuntime } from './local-runtime.ts';

const runtime = new LocalRuntime();
const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
let server: StreamingServer;
let port = 0;

beforeAll(async () => {
  server = await createStreamingServer({ runtime, clock: systemClock, log: silentLogger }, new AbortController().signal);
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  await server.close();
  echo.close();
});

const url = (ports: readonly number[] = []): string => server.getPortForward({ podSandboxId: 's', ports }).url;

const CLIENTS: [string, () => Promise<SpdyConnection>][] = [
  ['SPDY', () => connectSpdy(url(), 'portforward.k8s.io')],
  ['SPDY in a WebSocket', () => connectTunnel(url())],
];

async function eventually(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !what(); tries += 1) await sleep(20);
  expect(what()).toBe(true);
}

test.each(CLIENTS)('%s: 100 connections at once, each byte for byte and half-closed', async (_name, connect) => {
  const client = await connect();
  const echoes = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const { data, error } = await forward(client, port, String(index));
      const sent = Buffer.alloc(200_000, `${index} `);
      data.end(sent);
      const back = await buffer(data);
      return back.equals(sent) && (await error).length === 0;
    }),
  );
  expect(echoes.filter(Boolean)).toHaveLength(100);
  await eventually(() => runtime.running === 0);
  await client.close();
});

test.each(CLIENTS)('%s: a port on which nothing listens is told on the error stream', async (_name, connect) => {
  const client = await connect();
  const { data, error } = await forward(client, 1, '1');
  data.resume();
  expect((await error).toString()).toMatch(/error forwarding port 1 to pod s.*ECONNREFUSED/);
  const next = await forward(client, port, '2');
  next.data.end('still there');
  expect(await text(next.data)).toBe('still there');
  await client.close();
});

test.each(CLIENTS)('%s: one connection that is stuck does not hold up the others', async (_name, connect) => {
  const client = await connect();
  const stuck = await forward(client, port, '1');
  stuck.data.write(Buffer.alloc(1024 * 1024));
  const { data } = await forward(client, port, '2');
  data.end('hello');
  expect(await text(data)).toBe('hello');
  await client.close();
  await eventually(() => runtime.running === 0);
});

test.each(CLIENTS)('%s: a client that vanishes leaves no connection behind', async (_name, connect) => {
  const client = await connect();
  for (let index = 0; index < 10; index += 1) (await forward(client, port, String(index))).data.write('x');
  await eventually(() => runtime.running === 10);
  void client.close();
  await eventually(() => runtime.running === 0);
  const open = await new Promise<number>((resolve, reject) =>
    echo.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
  expect(open).toBe(0);
});

test.each(['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''])(
  'WebSocket %s: two channels for each port, which begin with it',
  async (protocol) => {
    const base64 = protocol.includes('base64');
    const channels = new Map<number, Buffer>();
    const webSocket = await connectWebSocket(url([port, 1]), protocol, (message) => {
      const channel = message.readUInt8(0) - (base64 ? 48 : 0);
      const data = base64 ? Buffer.from(message.subarray(1).toString(), 'base64') : message.subarray(1);
      channels.set(channel, Buffer.concat([channels.get(channel) ?? Buffer.alloc(0), data]));
    });
    webSocket.send(base64 ? `0${Buffer.from('hello').toString('base64')}` : Buffer.from('\0hello'));
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16LE(port);
    await eventually(() => (channels.get(0)?.length ?? 0) === 7 && (channels.get(3)?.length ?? 0) > 2);
    expect(channels.get(0)).toEqual(Buffer.concat([prefix, Buffer.from('hello')]));
    expect(channels.get(1)).toEqual(prefix);
    expect(channels.get(2)).toEqual(Buffer.of(1, 0));
    expect(channels.get(3)?.subarray(0, 2)).toEqual(Buffer.of(1, 0));
    expect(channels.get(3)?.toString()).toContain('ECONNREFUSED');
    webSocket.terminate();
    await eventually(() => runtime.running === 0);
  },
);

test('a WebSocket request without ports is refused with 400', async () => {
  await expect(connectWebSocket(url(), 'v4.channel.k8s.io')).rejects.toThrow('400');
});
