import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FakeClock } from '../../../src/lib/fake-clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createNetnsDialer } from '../../../src/network/netns-dialer.ts';

/** Another network namespace with its own localhost: an echo on 8080 over IPv4, one word on 8086 over IPv6 only. */
const POD = `
  const net = require('node:net');
  net.createServer({ allowHalfOpen: true }, (socket) => { socket.on('error', () => undefined); socket.write('first '); socket.pipe(socket); }).listen(8080, '127.0.0.1');
  net.createServer((socket) => { socket.on('error', () => undefined); socket.end('six'); }).listen(8086, '::1', () => console.log('ready'));
`;
const helper = fileURLToPath(new URL('../../../src/network/netns-helper.ts', import.meta.url));
const never = new AbortController().signal;
const clock = new FakeClock();
const dialer = createNetnsDialer({ helperCommand: [process.execPath, helper], clock, log: silentLogger });
let pod: ChildProcess;
let target: { pid: number };

beforeAll(async () => {
  pod = spawn('unshare', ['--net', 'sh', '-c', `ip link set lo up && exec "$0" -e "$1"`, process.execPath, POD], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!pod.stdout) throw new Error('the pod has no output');
  await once(pod.stdout, 'data');
  target = { pid: pod.pid ?? 0 };
});
afterAll(() => {
  dialer.close();
  pod.kill('SIGKILL');
});

/** Helpers in the pod's namespace that are children of this process. */
function helpers(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return stat.includes(` ${process.pid} `) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('netns-helper');
    } catch {
      return false; // it ended meanwhile
    }
  }).length;
}

async function eventually(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !what(); tries += 1) await sleep(20);
  expect(what()).toBe(true);
}

test('the pod’s own localhost answers, from its first byte, and each side ends by itself', async () => {
  const socket = await dialer.dial(target, 8080, never);
  socket.end('hello');
  expect(await text(socket)).toBe('first hello');
});

test('IPv6 is tried where IPv4 does not answer', async () => {
  expect(await text(await dialer.dial(target, 8086, never))).toBe('six');
});

test('a namespace can be named by its file', async () => {
  expect(await text(await dialer.dial({ netnsPath: `/proc/${target.pid}/ns/net` }, 8086, never))).toBe('six');
});

test('100 connections at once go through one helper, each byte for byte', async () => {
  const echoes = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const socket = await dialer.dial(target, 8080, never);
      const sent = Buffer.alloc(100_000, `${index} `);
      socket.end(sent);
      return (await buffer(socket)).subarray(6).equals(sent);
    }),
  );
  expect(echoes.filter(Boolean)).toHaveLength(100);
  expect(helpers()).toBe(1);
});

test('a port on which nothing listens says so for both families', async () => {
  await expect(dialer.dial(target, 99, never)).rejects.toThrow(/nothing answers in the pod: .*127.0.0.1:99.*::1:99/);
});

test('a namespace that does not exist is not found', async () => {
  await expect(dialer.dial({ netnsPath: '/run/netns/gone' }, 80, never)).rejects.toMatchObject({ code: 'NotFound' });
});

test('the helper ends after 60 s without a dial, and the next dial starts another', async () => {
  const open = await dialer.dial(target, 8080, never);
  await clock.advance(59_000);
  expect(helpers()).toBe(1);
  await clock.advance(1_000);
  await eventually(() => helpers() === 0);
  open.end('still open');
  expect(await text(open)).toBe('first still open');
  expect(await text(await dialer.dial(target, 8086, never))).toBe('six');
});

test('releasing the sandbox ends its helper at once', async () => {
  await dialer.dial(target, 8086, never).then((socket) => socket.destroy());
  expect(helpers()).toBe(1);
  dialer.release(target);
  await eventually(() => helpers() === 0);
});
