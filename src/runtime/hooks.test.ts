import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { LifecycleHandler } from '../api/types.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { createHookRunner } from './hooks.ts';
import { makePod } from './testing/fixtures.ts';
import type { ExecSyncResult } from './types.ts';

const never = new AbortController().signal;
let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

/** A server on loopback that remembers what it is asked. */
async function listen(answer: (request: IncomingMessage) => { status: number; location?: string }) {
  const requests: string[] = [];
  const created = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${String(request.headers['x-hook'] ?? '')} ${request.headers.host ?? ''}`);
    const { status, location } = answer(request);
    response.writeHead(status, location === undefined ? {} : { location }).end('body');
  });
  server = created;
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve));
  const address = created.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, requests };
}

function setUp(
  exec: (cmd: readonly string[]) => ExecSyncResult = () => ({ stdout: Buffer.from(''), stderr: Buffer.from(''), exitCode: 0 }),
) {
  const clock = new FakeClock();
  const events: string[] = [];
  const runner = createHookRunner({
    runtime: { execSync: async (_id, cmd) => exec(cmd) },
    events: { event: (_about, _type, reason, message) => events.push(`${reason}: ${message}`) },
    clock,
  });
  const run = (handler: LifecycleHandler, podIPs: readonly string[] = ['127.0.0.1'], signal = never, port = 80) =>
    runner.run(
      { pod: makePod(), container: { name: 'main', ports: [{ name: 'web', containerPort: port }] }, containerId: 'c', handler, podIPs },
      signal,
    );
  return { clock, events, run };
}

test('an exec hook succeeds with exit code 0 and fails with its output otherwise', async () => {
  const asked: (readonly string[])[] = [];
  const { run } = setUp((cmd) => {
    asked.push(cmd);
    return { stdout: Buffer.from('out'), stderr: Buffer.from('err'), exitCode: cmd[0] === 'true' ? 0 : 3 };
  });
  await run({ exec: { command: ['true'] } });
  await expect(run({ exec: { command: ['sh', '-c', 'x'] } })).rejects.toThrow(
    'Exec lifecycle hook ([sh -c x]) for Container "main" in Pod "web_shop(uid-1)" failed - error: command \'sh -c x\' exited with 3: err, message: "outerr"',
  );
  expect(asked).toEqual([['true'], ['sh', '-c', 'x']]);
});

test('an HTTP hook goes to the pod, to a port by number or name, with its headers; any answer will do', async () => {
  const { port, requests } = await listen(() => ({ status: 500 }));
  const { run } = setUp();
  await run({ httpGet: { path: '/a?b=c', port, httpHeaders: [{ name: 'X-Hook', value: 'yes' }] } });
  await run(
    { httpGet: { path: 'no-slash', port: 'web', host: '127.0.0.1', httpHeaders: [{ name: 'Host', value: 'me' }] } },
    [],
    never,
    port,
  );
  expect(requests).toEqual([`GET /a?b=c yes 127.0.0.1:${port}`, 'GET /no-slash  me']);
});

test('redirects are followed on the same host only', async () => {
  const { port, requests } = await listen(({ url }) =>
    url === '/start' ? { status: 302, location: '/next' } : { status: 302, location: 'http://elsewhere.invalid/' },
  );
  const { run } = setUp();
  await run({ httpGet: { path: '/start', port } });
  expect(requests.map((request) => request.split(' ')[1])).toEqual(['/start', '/next']);
});

test('a circle of redirects ends', async () => {
  const { port } = await listen(() => ({ status: 302, location: '/again' }));
  await expect(setUp().run({ httpGet: { path: '/', port } })).rejects.toThrow('stopped after 10 redirects');
});

test('an HTTPS hook that meets plain HTTP is tried again without its secret, and that is told', async () => {
  const { port, requests } = await listen(({ headers }) => ({ status: headers.authorization === undefined ? 200 : 400 }));
  const { run, events } = setUp();
  await run({ httpGet: { scheme: 'HTTPS', path: '/', port, httpHeaders: [{ name: 'Authorization', value: 's' }] } });
  expect(requests).toHaveLength(1);
  expect(events).toEqual([
    `LifecycleHTTPFallback: request to HTTPS lifecycle hook 127.0.0.1:${port} got HTTP response, retry with HTTP succeeded`,
  ]);
});

test('an HTTP hook without an address, with an unknown port, or with nobody there fails', async () => {
  const { run } = setUp();
  await expect(run({ httpGet: { port: 80 } }, [])).rejects.toThrow('failed to find networking container');
  await expect(run({ httpGet: { port: 'nope' } })).rejects.toThrow('no port named "nope"');
  await expect(run({ httpGet: { port: 1 } })).rejects.toThrow(
    /^HTTP lifecycle hook \(\) for Container "main" .* failed - error: .*ECONNREFUSED/,
  );
});

test('a sleep takes its time and ends with an abort', async () => {
  const { run, clock } = setUp();
  let done = false;
  const sleeping = run({ sleep: { seconds: 5 } }).then(() => (done = true));
  await clock.advance(4_999);
  expect(done).toBe(false);
  await clock.advance(1);
  await sleeping;
  const stop = new AbortController();
  const aborted = run({ sleep: { seconds: 5 } }, [], stop.signal);
  stop.abort();
  await expect(aborted).rejects.toThrow('aborted');
});

test('a handler of no known kind is refused', async () => {
  await expect(setUp().run({ tcpSocket: { port: 1 } })).rejects.toThrow('invalid handler');
});
