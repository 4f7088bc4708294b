import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { acceptRemoteCommand } from './remote-command.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { RemoteCommandStreams } from './types.ts';

const never = new AbortController().signal;
const ALL: RemoteCommandStreams = { stdin: true, stdout: true, stderr: true, tty: false };

interface Started {
  readonly client: SpdyConnection;
  readonly session: ReturnType<typeof acceptRemoteCommand>;
  readonly clock: FakeClock;
}

async function start(streams: RemoteCommandStreams, protocol = 'v4.channel.k8s.io', signal = never): Promise<Started> {
  const [socket, theirs] = duplexPair();
  const clock = new FakeClock();
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol };
  const request = Object.assign(new IncomingMessage(new Socket()), { method: 'POST', url: '/', headers });
  const settings = { clock, log: silentLogger, idleTimeoutMs: 3_600_000, streamCreationTimeoutMs: 30_000 };
  const session = acceptRemoteCommand({ request, socket, head: Buffer.alloc(0) }, streams, settings, signal);
  session.catch(() => undefined);
  await settle();
  expect(String(theirs.read())).toContain('101 Switching Protocols');
  return { client: new SpdyConnection(theirs, Buffer.alloc(0), { role: 'client', clock, log: silentLogger }), session, clock };
}

const open = (client: SpdyConnection, type: string): ReturnType<SpdyConnection['openStream']> =>
  client.openStream(new Map([['streamtype', type]]), never);

test('a session begins when the last of its streams is there, and finishing tells its client everything', async () => {
  const { client, session } = await start(ALL);
  const error = await open(client, 'error');
  const stdin = await open(client, 'stdin');
  const stdout = await open(client, 'stdout');
  let begun = false;
  void session.then(() => (begun = true));
  await settle();
  expect(begun).toBe(false);
  const stderr = await open(client, 'stderr');
  const running = await session;
  expect(running.protocol).toBe('v4.channel.k8s.io');
  stdin.end('typed');
  expect(await text(running.stdin!)).toBe('typed');
  running.stdout?.write('out');
  running.stderr?.write('err');
  void running.finish({ exitCode: 3 });
  expect([await text(stdout), await text(stderr)]).toEqual(['out', 'err']);
  expect(JSON.parse(await text(error))).toMatchObject({ reason: 'NonZeroExitCode', details: { causes: [{ message: '3' }] } });
  await settle();
  expect(client.signal.aborted).toBe(true);
});

test('a terminal’s session waits for its resize stream, from version 3 on', async () => {
  const tty = { stdin: false, stdout: true, stderr: false, tty: true };
  const { client, session } = await start(tty);
  await open(client, 'error');
  await open(client, 'stdout');
  const resize = await open(client, 'resize');
  resize.write('{"Width":80,"Height":24}\n');
  for await (const size of (await session).resize) {
    expect(size).toEqual({ width: 80, height: 24 });
    break;
  }
  const old = await start(tty, 'v2.channel.k8s.io');
  await open(old.client, 'error');
  await open(old.client, 'stdout');
  expect((await old.session).protocol).toBe('v2.channel.k8s.io');
});

test('streams that were not asked for, unknown and doubled ones are refused', async () => {
  const { client } = await start({ stdin: false, stdout: true, stderr: false, tty: false });
  for (const type of ['stdin', 'resize', 'telnet', '']) await expect(open(client, type)).rejects.toThrow('refused');
  await open(client, 'stdout');
  await expect(open(client, 'stdout')).rejects.toThrow('refused');
});

test('a client that does not create its streams is cut off after 30 s', async () => {
  const { client, session, clock } = await start(ALL);
  await open(client, 'error');
  await clock.advance(30_000);
  await expect(session).rejects.toThrow('waiting for the client to create its streams did not finish within 30 s');
  expect(client.signal.aborted).toBe(true);
});

test('a client that leaves before, or a server that stops, ends the wait', async () => {
  const leaving = await start(ALL);
  void leaving.client.close();
  await expect(leaving.session).rejects.toThrow();
  const stop = new AbortController();
  const stopping = await start(ALL, 'v4.channel.k8s.io', stop.signal);
  stop.abort(new Error('stopping'));
  await expect(stopping.session).rejects.toThrow('stopping');
  await settle();
  expect(stopping.client.signal.aborted).toBe(true);
});

test('a vanished client aborts the session and destroys its streams', async () => {
  const { client, session } = await start({ stdin: true, stdout: true, stderr: false, tty: false });
  for (const type of ['error', 'stdin', 'stdout']) await open(client, type);
  const { signal, stdin, stdout } = await session;
  void client.close();
  await settle();
  expect([signal.aborted, stdin?.destroyed, stdout?.destroyed]).toEqual([true, true, true]);
  await (await session).finish({ exitCode: 0 });
});

test('a server that stops closes its running sessions', async () => {
  const stop = new AbortController();
  const { client, session } = await start({ stdin: false, stdout: true, stderr: false, tty: false }, 'v4.channel.k8s.io', stop.signal);
  for (const type of ['error', 'stdout']) await open(client, type);
  const { signal } = await session;
  stop.abort();
  await settle();
  expect([signal.aborted, client.signal.aborted]).toEqual([true, true]);
});
