import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createStreamingServer } from '../../../src/streaming/streaming-server.ts';
import type { StreamingServer } from '../../../src/streaming/types.ts';
import { connectSpdy, connectWebSocket, runRemoteCommand, type RemoteCommand } from './clients.ts';
import { LocalRuntime } from './local-runtime.ts';

const PROTOCOLS = [
  'spdy/v4.channel.k8s.io',
  'spdy/v3.channel.k8s.io',
  'spdy/v2.channel.k8s.io',
  'ws/v5.channel.k8s.io',
  'ws/v4.channel.k8s.io',
  'ws/v4.base64.channel.k8s.io',
  'ws/v3.channel.k8s.io',
  'ws/v2.channel.k8s.io',
  'ws/v1.channel.k8s.io',
  'ws/channel.k8s.io',
  'ws/base64.channel.k8s.io',
  'ws/',
];
const WITH_STATUS = PROTOCOLS.filter((protocol) => /v[45]\./.test(protocol));
const WITH_HALF_CLOSE = PROTOCOLS.filter((protocol) => protocol.startsWith('spdy/') || protocol.includes('v5.'));
const MB = 1024 * 1024;

const runtime = new LocalRuntime();
const stop = new AbortController();
let server: StreamingServer;

beforeAll(async () => {
  server = await createStreamingServer({ runtime, clock: systemClock, log: silentLogger }, stop.signal);
});
afterAll(async () => {
  await server.close();
});

function execUrl(cmd: readonly string[], command: RemoteCommand): string {
  return server.getExec({
    containerId: 'c',
    cmd,
    tty: command.sizes !== undefined,
    stdin: command.stdin !== undefined,
    stdout: command.stdout ?? false,
    stderr: command.stderr ?? false,
  }).url;
}

const exec = (protocol: string, cmd: readonly string[], command: RemoteCommand): ReturnType<typeof runRemoteCommand> =>
  runRemoteCommand(protocol, execUrl(cmd, command), command);

async function eventually(what: () => boolean, limitMs = 4000): Promise<void> {
  for (let waited = 0; waited < limitMs && !what(); waited += 20) await sleep(20);
  expect(what()).toBe(true);
}

test.each(PROTOCOLS)('%s: output and errors arrive each on its own stream', async (protocol) => {
  const outcome = await exec(protocol, ['sh', '-c', 'echo out; echo err >&2'], { stdout: true, stderr: true });
  expect([outcome.stdout.toString(), outcome.stderr.toString()]).toEqual(['out\n', 'err\n']);
});

test.each(WITH_STATUS)('%s: the exit code is told as a status', async (protocol) => {
  const status = async (cmd: string[]): Promise<unknown> => JSON.parse((await exec(protocol, cmd, { stdout: true })).status.toString());
  expect(await status(['true'])).toEqual({ status: 'Success' });
  expect(await status(['sh', '-c', 'exit 42'])).toMatchObject({
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: '42' }] },
  });
  expect(await status(['missing'])).toMatchObject({ status: 'Failure', reason: 'InternalError', code: 500 });
});

test.each(PROTOCOLS.filter((protocol) => !WITH_STATUS.includes(protocol)))(
  '%s: a failure is told as text, success is silence',
  async (protocol) => {
    const status = async (cmd: string[]): Promise<string> => (await exec(protocol, cmd, { stdout: true })).status.toString();
    expect(await status(['true'])).toBe('');
    expect(await status(['sh', '-c', 'exit 42'])).toContain('exit status 42');
    expect(await status(['missing'])).toContain('executable file not found');
  },
);

test.each(WITH_HALF_CLOSE)('%s: the command sees the end of its input', async (protocol) => {
  const { stdout, status } = await exec(protocol, ['cat'], { stdin: Readable.from([Buffer.from('x\n')]), stdout: true });
  expect([stdout.toString(), status.toString()]).toEqual(['x\n', expect.stringMatching(/Success|^$/)]);
});

test.each(PROTOCOLS.filter((protocol) => !/v2|v1|s\/channel|base64\.channel|ws\/$/.test(protocol) || /v4/.test(protocol)))(
  '%s: the terminal size arrives',
  async (protocol) => {
    const { stdout } = await exec(protocol, ['sizes'], { stdout: true, sizes: [{ width: 80, height: 24 }] });
    expect(stdout.toString()).toBe('80x24');
  },
);

test.each(WITH_HALF_CLOSE)(
  '%s: 50 MB through stdout and 20 MB through stdin arrive byte for byte',
  async (protocol) => {
    const input = Buffer.alloc(20 * MB, 'all work and no play ');
    const chunks = Readable.from(
      (function* () {
        for (let at = 0; at < input.length; at += 100_000) yield input.subarray(at, at + 100_000);
      })(),
    );
    const up = await exec(protocol, ['sha256sum'], { stdin: chunks, stdout: true });
    expect(up.stdout.toString()).toContain(createHash('sha256').update(input).digest('hex'));
    const hash = createHash('sha256');
    let bytes = 0;
    await exec(protocol, ['sh', '-c', `yes 'all work and no play' | head -c ${50 * MB}`], {
      stdout: true,
      onStdout: (chunk) => {
        bytes += chunk.length;
        hash.update(chunk);
      },
    });
    expect(bytes).toBe(50 * MB);
    const line = 'all work and no play\n';
    expect(hash.digest('hex')).toBe(
      createHash('sha256')
        .update(Buffer.alloc(50 * MB, line))
        .digest('hex'),
    );
  },
  60_000,
);

test.each(PROTOCOLS)('%s: a client that vanishes leaves no process behind', async (protocol) => {
  const vanish = new AbortController();
  const outcome = exec(protocol, ['sleep', '1000'], { stdout: true, vanish: vanish.signal }).catch(() => undefined);
  await eventually(() => runtime.running === 1);
  vanish.abort();
  await eventually(() => runtime.running === 0);
  await outcome;
});

test.each(['spdy/v4.channel.k8s.io', 'ws/v5.channel.k8s.io'])(
  '%s: a client that does not read stops the command instead of filling memory',
  async (protocol) => {
    const [transport, subProtocol = ''] = protocol.split('/', 2);
    const url = execUrl(['sh', '-c', 'yes all work and no play'], { stdout: true });
    const before = process.memoryUsage().rss;
    let leave: () => void;
    if (transport === 'spdy') {
      const connection = await connectSpdy(url, subProtocol);
      const never = new AbortController().signal;
      await connection.openStream(new Map([['streamtype', 'error']]), never);
      await connection.openStream(new Map([['streamtype', 'stdout']]), never);
      leave = () => void connection.close();
    } else {
      const webSocket = await connectWebSocket(url, subProtocol);
      webSocket.pause();
      leave = () => webSocket.terminate();
    }
    await sleep(1500);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MB);
    leave();
    await eventually(() => runtime.running === 0);
  },
);

test.each(['spdy/v4.channel.k8s.io', 'ws/v5.channel.k8s.io'])(
  '%s: a command that does not read its input does not fill memory',
  async (protocol) => {
    const vanish = new AbortController();
    const endless = new Readable({
      read(): void {
        this.push(Buffer.alloc(64 * 1024));
      },
    });
    const before = process.memoryUsage().rss;
    const outcome = exec(protocol, ['sleep', '1000'], { stdin: endless, stdout: true, vanish: vanish.signal }).catch(() => undefined);
    await sleep(1500);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MB);
    vanish.abort();
    endless.destroy();
    // It is not read, so it is found out when it does not answer the second ping.
    await eventually(() => runtime.running === 0, 20_000);
    await outcome;
  },
  40_000,
);

test.each(['v5.channel.k8s.io', 'v4.base64.channel.k8s.io', ''])(
  'ws/%s: no messages of a client end the server or another session',
  async (protocol) => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.constantFrom(0, 1, 3, 4, 5, 48, 52, 255), fc.uint8Array({ maxLength: 40 }))
        .map(([channel, rest]) => Buffer.from([channel, ...rest])),
      fc.json().map((json) => Buffer.from(`\x04${json}`)),
      fc.string({ maxLength: 50 }),
    );
    for (const messages of fc.sample(fc.array(message, { maxLength: 40 }), 25)) {
      const webSocket = await connectWebSocket(execUrl(['cat'], { stdin: new Readable(), stdout: true, stderr: true }), protocol);
      for (const one of messages) webSocket.send(one);
      await new Promise<void>((resolve) => {
        webSocket.once('close', () => resolve());
        webSocket.once('pong', () => webSocket.terminate());
        webSocket.ping();
      });
    }
    await eventually(() => runtime.running === 0);
    expect((await exec('ws/v5.channel.k8s.io', ['echo', 'well'], { stdout: true })).stdout.toString()).toBe('well\n');
  },
);

test('attach copies both ways until the input ends', async () => {
  const url = server.getAttach({ containerId: 'c', tty: false, stdin: true, stdout: true, stderr: false }).url;
  const { stdout, status } = await runRemoteCommand('ws/v5.channel.k8s.io', url, {
    stdin: Readable.from([Buffer.from('hello')]),
    stdout: true,
  });
  expect([stdout.toString(), JSON.parse(status.toString())]).toEqual(['hello', { status: 'Success' }]);
});

test('a URL works once, for its own verb, and only for an upgrade', async () => {
  const url = execUrl(['true'], { stdout: true });
  expect((await fetch(url)).status).toBe(400);
  await runRemoteCommand('spdy/v4.channel.k8s.io', url, { stdout: true });
  await expect(runRemoteCommand('spdy/v4.channel.k8s.io', url, { stdout: true })).rejects.toThrow('HTTP 404');
  const other = execUrl(['true'], { stdout: true }).replace('/exec/', '/attach/');
  await expect(runRemoteCommand('ws/v5.channel.k8s.io', other, { stdout: true })).rejects.toThrow('404');
});

test('a sub-protocol that is not known is refused with 403', async () => {
  await expect(runRemoteCommand('ws/v9.channel.k8s.io', execUrl(['true'], { stdout: true }), { stdout: true })).rejects.toThrow('403');
  await expect(runRemoteCommand('spdy/v9.channel.k8s.io', execUrl(['true'], { stdout: true }), { stdout: true })).rejects.toThrow(
    'HTTP 403',
  );
});

test('requests that make no sense are refused before a URL is given out', () => {
  const request = { containerId: 'c', cmd: ['true'], tty: false, stdin: false, stdout: true, stderr: true };
  expect(() => server.getExec({ ...request, containerId: '' })).toThrow('container_id');
  expect(() => server.getExec({ ...request, tty: true })).toThrow('tty and stderr');
  expect(() => server.getAttach({ ...request, stdout: false, stderr: false })).toThrow('one of stdin, stdout, or stderr');
  expect(() => server.getPortForward({ podSandboxId: '', ports: [] })).toThrow('pod_sandbox_id');
});

test('closing the server ends what runs and resolves when no handler is left', async () => {
  const mine = await createStreamingServer({ runtime, clock: systemClock, log: silentLogger }, stop.signal);
  const { url } = mine.getExec({ containerId: 'c', cmd: ['sleep', '1000'], tty: false, stdin: false, stdout: true, stderr: false });
  const outcome = runRemoteCommand('ws/v5.channel.k8s.io', url, { stdout: true });
  await eventually(() => runtime.running === 1);
  await mine.close();
  expect(runtime.running).toBe(0);
  await outcome;
});
