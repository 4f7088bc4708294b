import { afterEach, expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { UnavailableError } from '../lib/errors.ts';
import { ApiEventRecorder } from './event-recorder.ts';
import { fakeClient, refusal, type FakeHandler, type FakeTransport } from './fake-transport.ts';

const pod = { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u' };
const controllers: AbortController[] = [];
afterEach(() => {
  for (const controller of controllers.splice(0)) controller.abort(new Error('test over'));
});

function setup(handle: FakeHandler): { recorder: ApiEventRecorder; clock: FakeClock; transport: FakeTransport; lines: string[] } {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => void lines.push(message) };
  const { client, transport } = fakeClient(clock, handle);
  const recorder = new ApiEventRecorder({ client, clock, log, nodeName: 'node-1', random: () => 0.5 });
  const controller = new AbortController();
  controllers.push(controller);
  void recorder.run(controller.signal);
  return { recorder, clock, transport, lines };
}

const accept: FakeHandler = (request) => ({ body: { metadata: { name: 'e' }, ...(request.body as object) } });

test('an event is created as the kubelet makes it, then its count is patched', async () => {
  const { recorder, clock, transport } = setup(accept);
  recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting');
  await clock.advance(2000);
  recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting');
  await settle();
  const [created, patched] = transport.requests;
  expect(created).toMatchObject({
    method: 'POST',
    path: '/api/v1/namespaces/shop/events',
    body: {
      involvedObject: pod,
      type: 'Warning',
      reason: 'BackOff',
      message: 'Back-off restarting',
      count: 1,
      source: { component: 'kubelet', host: 'node-1' },
      reportingComponent: 'kubelet',
      reportingInstance: 'node-1',
      firstTimestamp: '2026-01-01T00:00:00Z',
    },
  });
  expect(patched).toMatchObject({
    method: 'PATCH',
    body: { count: 2, lastTimestamp: '2026-01-01T00:00:02Z', message: 'Back-off restarting' },
  });
  expect(patched?.path).toMatch(/^\/api\/v1\/namespaces\/shop\/events\/web\.[0-9a-f]+$/);
});

test('an event about a node lies in the default namespace', async () => {
  const { recorder, transport } = setup(accept);
  recorder.event({ kind: 'Node', name: 'node-1' }, 'Normal', 'Starting', 'Starting kubelet.');
  await settle();
  expect(transport.requests[0]?.path).toBe('/api/v1/namespaces/default/events');
});

test('an event that has expired on the server is made anew with its count', async () => {
  const { recorder, transport } = setup((request) => (request.method === 'PATCH' ? refusal(404, 'NotFound') : accept(request)));
  recorder.event(pod, 'Normal', 'Pulled', 'again');
  recorder.event(pod, 'Normal', 'Pulled', 'again');
  await settle();
  expect(transport.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
  expect(transport.requests[2]?.body).toMatchObject({ count: 2 });
});

test('a refused event is not sent again, the next one is, and one line says so', async () => {
  const { recorder, clock, transport, lines } = setup(() => refusal(403, 'Forbidden'));
  recorder.event(pod, 'Normal', 'One', 'one');
  recorder.event(pod, 'Normal', 'Two', 'two');
  await clock.advance(60_000);
  expect(transport.requests).toHaveLength(2);
  expect(lines).toEqual(['The API server refused an event']);
});

test('while the server is away nothing blocks, order is kept and what does not fit is dropped with one line', async () => {
  let away = true;
  const { recorder, clock, transport, lines } = setup((request) => {
    if (away) throw new UnavailableError('refused');
    return accept(request);
  });
  for (let index = 0; index < 1500; index += 1) recorder.event({ ...pod, name: `web-${index}` }, 'Normal', 'Started', 'started');
  await clock.advance(30_000);
  away = false;
  transport.requests.length = 0;
  await clock.advance(10_000);
  for (let turns = 0; turns < 200 && transport.requests.length < 1000; turns += 1) await settle();
  const names = transport.requests.map(({ body }) => (body as { involvedObject: { name: string } }).involvedObject.name);
  expect(names).toEqual(Array.from({ length: 1000 }, (_, index) => `web-${index}`));
  await settle();
  expect(lines).toEqual(['Events were dropped because the API server did not take them']);
});
