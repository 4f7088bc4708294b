import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { proxyUpgrade } from '../../../src/streaming/proxy-upgrade.ts';
import { createStreamingServer } from '../../../src/streaming/streaming-server.ts';
import type { StreamingServer } from '../../../src/streaming/types.ts';
import { connectSpdy, connectTunnel, forward, runRemoteCommand } from './clients.ts';
import { LocalRuntime } from './local-runtime.ts';

const MB = 1024 * 1024;
const runtime = new LocalRuntime();
const stop = new AbortController();
let runtimeServer: StreamingServer;
let agent: Server;
let open = 0;
let seenHeaders: string[] = [];

/** The agent's server: each request names its target and whether the runtime speaks WebSocket. */
beforeAll(async () => {
  runtimeServer = await createStreamingServer({ runtime, clock: systemClock, log: silentLogger }, stop.signal);
  agent = createServer();
  agent.on('upgrade', (request, socket, head) => {
    const query = new URL(request.url ?? '', 'http://agent').searchParams;
    const options = {
      runtimeSpeaksWebSocket: query.get('own') === '1',
      streams: query.has('port-forward')
        ? undefined
        : { stdin: query.get('input') === '1', stdout: true, stderr: query.get('error') === '1', tty: query.get('tty') === '1' },
      idleTimeoutMs: 3_600_000,
      clock: systemClock,
      log: silentLogger,
    };
    open += 1;
    void proxyUpgrade({ request, socket, head }, query.get('target') ?? '', options, stop.signal).finally(() => (open -= 1));
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
});
afterAll(async () => {
  stop.abort();
  await runtimeServer.close();
  agent.close();
});

function through(target: string, query: Record<string, string>): string {
  const { port } = agent.address() as AddressInfo;
  return `http://127.0.0.1:${port}/exec?${new URLSearchParams({ target, ...query }).toString()}`;
}

function execUrl(cmd: readonly string[], own: boolean, tty = false): string {
  const target = runtimeServer.getExec({ containerId: 'c', cmd, tty, stdin: true, stdout: true, stderr: !tty }).url;
  return through(target, { own: own ? '1' : '0', input: '1', output: '1', error: tty ? '0' : '1', tty: tty ? '1' : '0' });
}

async function eventually(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !what(); tries += 1) await sleep(20);
  expect(what()).toBe(true);
}

const WAYS: [string, boolean][] = [
  ['spdy/v4.channel.k8s.io', true],
  ['spdy/v4.channel.k8s.io', false],
  ['ws/v5.channel.k8s.io', true],
  ['ws/v5.channel.k8s.io', false],
];

test.each(WAYS)('%s, runtime speaks WebSocket %s: output, errors, input with its end, and the exit code', async (protocol, own) => {
  const stdin = Readable.from([Buffer.from('typed')]);
  const url = execUrl(['sh', '-c', 'cat; echo err >&2; exit 5'], own);
  const { stdout, stderr, status } = await runRemoteCommand(protocol, url, { stdin, stdout: true, stderr: true });
  expect([stdout.toString(), stderr.toString()]).toEqual(['typed', 'err\n']);
  expect(JSON.parse(status.toString())).toMatchObject({ reason: 'NonZeroExitCode', details: { causes: [{ message: '5' }] } });
  await eventually(() => open === 0);
});

test.each(WAYS)(
  '%s, runtime speaks WebSocket %s: 20 MB there and back',
  async (protocol, own) => {
    const input = Buffer.alloc(20 * MB, 'all work and no play ');
    const stdin = Readable.from(
      (function* () {
        for (let at = 0; at < input.length; at += 100_000) yield input.subarray(at, at + 100_000);
      })(),
    );
    const { stdout } = await runRemoteCommand(protocol, execUrl(['cat'], own), { stdin, stdout: true, stderr: true });
    expect(stdout.equals(input)).toBe(true);
  },
  60_000,
);

test.each(WAYS)('%s, runtime speaks WebSocket %s: a client that vanishes is gone for the runtime too', async (protocol, own) => {
  const vanish = new AbortController();
  const stdin = new Readable({ read: () => undefined });
  const outcome = runRemoteCommand(protocol, execUrl(['sleep', '1000'], own), {
    stdin,
    stdout: true,
    stderr: true,
    vanish: vanish.signal,
  }).catch(() => undefined);
  await eventually(() => runtime.running === 1);
  vanish.abort();
  stdin.push(null);
  await eventually(() => runtime.running === 0 && open === 0);
  await outcome;
});

test.each(WAYS)('%s, runtime speaks WebSocket %s: a command that does not read its input still has its say', async (protocol, own) => {
  const endless = new Readable({
    read(): void {
      this.push(Buffer.alloc(64 * 1024));
    },
  });
  const url = execUrl(['sh', '-c', 'head -c 3; exit 4'], own);
  const { stdout, status } = await runRemoteCommand(protocol, url, { stdin: endless, stdout: true, stderr: true });
  endless.destroy();
  expect([stdout.length, status.toString()]).toEqual([3, expect.stringContaining('exit status 4')]);
});

test('a translated terminal passes its size on', async () => {
  const stdin = Readable.from([]);
  const { stdout } = await runRemoteCommand('ws/v5.channel.k8s.io', execUrl(['sizes'], false, true), {
    stdin,
    stdout: true,
    sizes: [{ width: 80, height: 24 }],
  });
  expect(stdout.toString()).toBe('80x24');
});

test('many short translated commands all get their output and status', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, () =>
      runRemoteCommand('ws/v5.channel.k8s.io', execUrl(['missing'], false), { stdin: Readable.from([]), stdout: true, stderr: true }),
    ),
  );
  expect(outcomes.filter(({ status }) => status.toString().includes('executable file not found'))).toHaveLength(40);
});

test.each([
  ['SPDY as it is', false, connectSpdyThrough],
  ['SPDY in a WebSocket, unwrapped', false, connectTunnelThrough],
  ['SPDY in a WebSocket, handed through', true, connectTunnelThrough],
] as const)('port-forward: %s', async (_name, own, connect) => {
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const target = runtimeServer.getPortForward({ podSandboxId: 's', ports: [] }).url;
  const client = await connect(through(target, { own: own ? '1' : '0', 'port-forward': '1' }));
  const { data } = await forward(client, (echo.address() as AddressInfo).port, '1');
  data.end('hello');
  expect(await text(data)).toBe('hello');
  await client.close();
  await eventually(() => open === 0 && runtime.running === 0);
  echo.close();
});

function connectSpdyThrough(url: string): ReturnType<typeof connectSpdy> {
  return connectSpdy(url, 'portforward.k8s.io');
}

function connectTunnelThrough(url: string): ReturnType<typeof connectTunnel> {
  return connectTunnel(url);
}

test.each(WAYS)('%s, runtime speaks WebSocket %s: the runtime’s refusal reaches the client', async (protocol, own) => {
  const gone = through(`${runtimeServer.baseUrl}/exec/used-token`, { own: own ? '1' : '0', output: '1' });
  await expect(runRemoteCommand(protocol, gone, { stdout: true })).rejects.toThrow('404');
});

test('a runtime that cannot be reached is a 500', async () => {
  const nowhere = through('http://127.0.0.1:1/exec/token', { own: '1', output: '1' });
  await expect(runRemoteCommand('ws/v5.channel.k8s.io', nowhere, { stdout: true })).rejects.toThrow('500');
  await expect(runRemoteCommand('spdy/v4.channel.k8s.io', nowhere, { stdout: true })).rejects.toThrow(
    /HTTP 500: .*cannot reach the streaming server/,
  );
});

test('the caller’s credentials do not reach the runtime', async () => {
  const spy = createServer();
  spy.on('upgrade', (request, socket) => {
    seenHeaders = Object.keys(request.headers);
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  spy.listen(0, '127.0.0.1');
  await once(spy, 'listening');
  const url = new URL(through(`http://127.0.0.1:${(spy.address() as AddressInfo).port}/`, { own: '1', output: '1' }));
  const socket = net.connect(Number(url.port), '127.0.0.1');
  socket.write(
    `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer secret\r\nCookie: a=b\r\n` +
      'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n',
  );
  expect(await text(socket)).toMatch(/^HTTP\/1.1 403 /);
  expect(seenHeaders.sort()).toEqual(['connection', 'host', 'upgrade', 'x-stream-protocol-version']);
  spy.close();
});
