import { afterEach, expect, test } from 'vitest';
import { UnavailableError, UnimplementedError } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { MemoryRuntime } from './memory/memory-runtime.ts';
import { createPleg } from './pleg.ts';
import { countCalls, makeContainerConfig, makePod, makeSandboxConfig } from './testing/fixtures.ts';

const never = new AbortController().signal;
let stop = new AbortController();
afterEach(() => stop.abort());

function start(runtime: MemoryRuntime, clock: FakeClock) {
  stop = new AbortController();
  const pleg = createPleg({ runtime, clock, logger: silentLogger });
  const changes: string[] = [];
  pleg.onChange((uid) => changes.push(uid));
  const finished = pleg.run(stop.signal);
  return { pleg, changes, finished };
}

async function runPod(runtime: MemoryRuntime, uid = 'uid-1') {
  const pod = makePod({}, { uid, name: `pod-${uid}` });
  const sandboxConfig = makeSandboxConfig(pod);
  const sandboxId = await runtime.runPodSandbox(sandboxConfig, '', never);
  const containerId = await runtime.createContainer(sandboxId, makeContainerConfig(pod), sandboxConfig, never);
  await runtime.startContainer(containerId, never);
  return { sandboxId, containerId };
}

test('what runs at the start is known after the first list, without a status call for what does not change', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  await runPod(runtime, 'a');
  await runPod(runtime, 'b');
  const calls = countCalls(runtime, ['listContainers', 'containerStatus']);
  const { pleg, changes } = start(runtime, clock);
  await pleg.synced;
  await settle();
  expect([...pleg.uids()].sort()).toEqual(['a', 'b']);
  expect(pleg.get('a')).toMatchObject({
    name: 'pod-a',
    namespace: 'shop',
    containers: [{ state: 'running' }],
    sandboxes: [{ state: 'ready' }],
  });
  expect([...changes].sort()).toEqual(['a', 'b']);
  expect(calls).toEqual({ listContainers: 1, containerStatus: 2 });
});

test('an event changes its pod at once and asks the runtime nothing', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const { pleg, changes } = start(runtime, clock);
  await pleg.synced;
  const calls = countCalls(runtime, ['listPodSandbox', 'listContainers', 'podSandboxStatus', 'containerStatus']);
  const { containerId } = await runPod(runtime);
  await settle();
  expect(pleg.get('uid-1')?.containers[0]).toMatchObject({ id: containerId, state: 'running' });
  const before = changes.length;
  runtime.exit(containerId, 3);
  await settle();
  expect(pleg.get('uid-1')?.containers[0]).toMatchObject({ state: 'exited', exitCode: 3 });
  expect(changes.length).toBe(before + 1);
  expect(Object.values(calls)).toEqual([0, 0, 0, 0]);
});

test('changes that happen together are told once', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const { containerId, sandboxId } = await runPod(runtime);
  const { pleg, changes } = start(runtime, clock);
  await pleg.synced;
  await settle();
  changes.length = 0;
  runtime.exit(containerId, 0);
  await runtime.removePodSandbox(sandboxId);
  await settle();
  expect(pleg.get('uid-1')).toBeUndefined();
  expect(changes).toEqual(['uid-1']);
});

test('after a lost connection one list finds what was missed and only what changed is asked about', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const gone = await runPod(runtime, 'gone');
  const ended = await runPod(runtime, 'ended');
  await runPod(runtime, 'same');
  const { pleg, changes } = start(runtime, clock);
  await pleg.synced;
  await settle();
  changes.length = 0;
  const calls = countCalls(runtime, ['listContainers', 'containerStatus']);
  await clock.advance(10);
  runtime.exit(ended.containerId, 1);
  const removal = runtime.removePodSandbox(gone.sandboxId);
  runtime.reconnect();
  await removal;
  await settle();
  expect(pleg.get('gone')).toBeUndefined();
  expect(pleg.get('ended')?.containers[0]?.state).toBe('exited');
  expect([...changes].sort()).toEqual(['ended', 'gone']);
  expect(calls).toEqual({ listContainers: 1, containerStatus: 1 });
});

test('at rest there is one list a minute and nothing else, and a list without news tells nobody', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  await runPod(runtime);
  const { pleg, changes } = start(runtime, clock);
  await pleg.synced;
  await settle();
  changes.length = 0;
  const calls = countCalls(runtime, ['listPodSandbox', 'listContainers', 'podSandboxStatus', 'containerStatus']);
  await clock.advance(10 * 60_000);
  expect(calls).toEqual({ listPodSandbox: 10, listContainers: 10, podSandboxStatus: 0, containerStatus: 0 });
  expect(changes).toEqual([]);
});

test('any number of wishes during a list make one more list', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const gate = Promise.withResolvers<void>();
  const list = runtime.listContainers.bind(runtime);
  let lists = 0;
  runtime.listContainers = async (filter) => {
    lists += 1;
    if (lists === 1) await gate.promise;
    return list(filter);
  };
  const { pleg } = start(runtime, clock);
  await settle();
  for (let i = 0; i < 5; i += 1) {
    runtime.reconnect();
    await settle();
  }
  expect(lists).toBe(1);
  gate.resolve();
  await pleg.synced;
  await settle();
  expect(lists).toBe(2);
});

test('refresh sees the effect of what was done before it', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const pleg = createPleg({ runtime, clock, logger: silentLogger });
  const { sandboxId } = await runPod(runtime);
  expect((await pleg.refresh('uid-1', never))?.containers[0]).toMatchObject({ state: 'running', podSandboxId: sandboxId });
  await clock.advance(1);
  await runtime.removePodSandbox(sandboxId);
  expect(await pleg.refresh('uid-1', never)).toBeUndefined();
});

test('a runtime without events is listed every second while things happen and every five seconds when nothing does', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  runtime.containerEvents = () => {
    throw new UnimplementedError('no events');
  };
  const calls = countCalls(runtime, ['listContainers']);
  const { pleg } = start(runtime, clock);
  await pleg.synced;
  await clock.advance(60_000);
  const before = calls['listContainers'] ?? 0;
  await clock.advance(60_000);
  expect((calls['listContainers'] ?? 0) - before).toBe(12);
  const { containerId } = await runPod(runtime);
  await pleg.refresh('uid-1', never);
  runtime.exit(containerId, 0);
  await clock.advance(1_000);
  expect(pleg.get('uid-1')?.containers[0]?.state).toBe('exited');
});

test('a runtime that is away is tried again with growing pauses, and health says so', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const list = runtime.listContainers.bind(runtime);
  let tries = 0;
  runtime.listContainers = async () => {
    tries += 1;
    throw new UnavailableError('no engine');
  };
  const { pleg } = start(runtime, clock);
  await clock.advance(10 * 60_000);
  expect(tries).toBeGreaterThan(15);
  expect(tries).toBeLessThan(45);
  expect(pleg.unhealthy()).toBe('pleg has yet to be successful');
  runtime.listContainers = list;
  await clock.advance(30_000);
  await pleg.synced;
  expect(pleg.unhealthy()).toBeUndefined();
  runtime.listContainers = async () => {
    throw new UnavailableError('no engine');
  };
  await clock.advance(5 * 60_000);
  expect(pleg.unhealthy()).toMatch(/^pleg was last seen active \d+s ago; threshold is 3m0s$/);
});

test('a broken stream of events is followed again', async () => {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock });
  const listen = runtime.containerEvents.bind(runtime);
  let breaks = 2;
  runtime.containerEvents = (signal) => {
    if (breaks-- > 0) throw new UnavailableError('broken');
    return listen(signal);
  };
  const { pleg } = start(runtime, clock);
  await clock.advance(5_000);
  await pleg.synced;
  await runPod(runtime);
  await settle();
  expect(pleg.get('uid-1')?.containers[0]?.state).toBe('running');
});

test('an abort ends it', async () => {
  const clock = new FakeClock();
  const { finished } = start(new MemoryRuntime({ clock }), clock);
  await settle();
  stop.abort();
  await finished;
  expect(clock.pendingTimers).toBe(0);
});
