import { expect, test } from 'vitest';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { makeContainerConfig, makePod, makeSandboxConfig } from '../testing/fixtures.ts';
import type { ContainerEventMessage } from '../types.ts';
import { EventHub } from './event-hub.ts';
import { MemoryImages } from './memory-images.ts';
import { MemoryRuntime, type MemoryRuntimeOptions } from './memory-runtime.ts';

const never = new AbortController().signal;

async function setUp(options: Omit<MemoryRuntimeOptions, 'clock'> = {}) {
  const clock = new FakeClock();
  const runtime = new MemoryRuntime({ clock, ...options });
  const config = makeSandboxConfig();
  const sandbox = await runtime.runPodSandbox(config, '', never);
  const container = await runtime.createContainer(sandbox, makeContainerConfig(), config, never);
  return { clock, runtime, config, sandbox, container };
}

test('a container goes from created to running to exited', async () => {
  const { runtime, container } = await setUp();
  const state = async () => (await runtime.containerStatus(container)).state;
  expect(await state()).toBe('created');
  await runtime.startContainer(container, never);
  expect(await state()).toBe('running');
  await runtime.stopContainer(container, 1, never);
  expect(await runtime.containerStatus(container)).toMatchObject({ state: 'exited', exitCode: 143, reason: 'Error' });
  await expect(runtime.startContainer(container, never)).rejects.toThrow('is exited');
});

test('a script makes it end by itself, or fail to start', async () => {
  const { clock, runtime, container } = await setUp({ script: { container: () => ({ runMs: 500, exitCode: 3 }) } });
  await runtime.startContainer(container, never);
  await clock.advance(499);
  expect((await runtime.containerStatus(container)).state).toBe('running');
  await clock.advance(1);
  expect(await runtime.containerStatus(container)).toMatchObject({ state: 'exited', exitCode: 3 });
  const failing = await setUp({ script: { container: () => ({ startError: new Error('no program') }) } });
  await expect(failing.runtime.startContainer(failing.container, never)).rejects.toThrow('no program');
  expect(await failing.runtime.containerStatus(failing.container)).toMatchObject({ reason: 'ContainerCannotRun', message: 'no program' });
});

test('who does not end in time is killed', async () => {
  const { clock, runtime, container } = await setUp({ script: { container: () => ({ stopMs: 60_000 }) } });
  await runtime.startContainer(container, never);
  const stopping = runtime.stopContainer(container, 5, never);
  await clock.advance(5_000);
  await stopping;
  expect((await runtime.containerStatus(container)).exitCode).toBe(137);
});

test('stop and remove verbs may be called twice, and for what never was', async () => {
  const { runtime, sandbox, container } = await setUp();
  await runtime.startContainer(container, never);
  for (let round = 0; round < 2; round += 1) {
    await runtime.stopContainer(container, 0, never);
    await runtime.stopPodSandbox(sandbox);
    await runtime.removeContainer(container);
    await runtime.removePodSandbox(sandbox);
  }
  expect(await runtime.listPodSandbox({})).toEqual([]);
  expect(await runtime.listContainers({})).toEqual([]);
  await expect(runtime.containerStatus(container)).rejects.toThrow('there is no container');
});

test('a name is given once: by pod and attempt, by sandbox, name and attempt', async () => {
  const { runtime, config, sandbox } = await setUp();
  await expect(runtime.runPodSandbox(config, '', never)).rejects.toThrow('has a sandbox of attempt 0');
  await expect(runtime.createContainer(sandbox, makeContainerConfig(), config, never)).rejects.toThrow('has attempt 0 of container main');
  await runtime.createContainer(sandbox, makeContainerConfig(makePod(), { name: 'main' }, 1), config, never);
});

test('lists are filtered by id, state, sandbox and label', async () => {
  const { runtime, sandbox, container } = await setUp();
  const other = makePod({}, { uid: 'uid-2' });
  await runtime.runPodSandbox(makeSandboxConfig(other), '', never);
  expect(await runtime.listPodSandbox({ labelSelector: { 'io.kubernetes.pod.uid': 'uid-2' } })).toHaveLength(1);
  expect(await runtime.listPodSandbox({ id: sandbox, state: 'ready' })).toHaveLength(1);
  expect(await runtime.listContainers({ state: 'running' })).toEqual([]);
  expect(await runtime.listContainers({ podSandboxId: sandbox, id: container })).toHaveLength(1);
});

test('every sandbox has an address of its own until it is stopped, none with host networking', async () => {
  const { runtime, sandbox } = await setUp();
  expect((await runtime.podSandboxStatus(sandbox)).ips).toEqual(['10.88.0.1']);
  await runtime.stopPodSandbox(sandbox);
  expect(await runtime.podSandboxStatus(sandbox)).toMatchObject({ ips: [], state: 'notready' });
  const config = makeSandboxConfig(makePod({}, { uid: 'h' }));
  const namespaceOptions = { network: 'node', pid: 'node', ipc: 'node' } as const;
  const host = await runtime.runPodSandbox({ ...config, linux: { ...config.linux, securityContext: { namespaceOptions } } }, '', never);
  expect((await runtime.podSandboxStatus(host)).ips).toEqual([]);
});

test('every change is an event with the state after it', async () => {
  const { runtime, sandbox, container } = await setUp();
  const seen: string[] = [];
  const stop = new AbortController();
  const listening = (async () => {
    for await (const message of runtime.containerEvents(stop.signal)) {
      if (message.kind === 'resync') seen.push('resync');
      else
        seen.push(
          `${message.event.type} ${message.event.podSandboxStatus?.state} ${message.event.containersStatuses.map(({ state }) => state).join()}`,
        );
    }
  })();
  await settle();
  await runtime.startContainer(container, never);
  runtime.exit(container, 0);
  await runtime.removePodSandbox(sandbox);
  await settle();
  stop.abort();
  await expect(listening).rejects.toThrow('aborted');
  expect(seen).toEqual([
    'resync',
    'started ready running',
    'stopped ready exited',
    'stopped notready exited',
    'deleted notready ',
    'deleted notready ',
  ]);
});

test('a listener that is too far behind is told to list again, and its backlog stays bounded', async () => {
  const hub = new EventHub();
  const stop = new AbortController();
  const messages = hub.listen(stop.signal);
  expect((await messages.next()).value).toEqual({ kind: 'resync' });
  const pending = messages.next();
  await settle();
  for (let index = 0; index < 2_500; index += 1)
    hub.publish({ containerId: `${index}`, type: 'started', createdAt: 0n, containersStatuses: [] });
  const received: ContainerEventMessage[] = [];
  const first = await pending;
  if (first.done !== true) received.push(first.value);
  for (;;) {
    const next = await Promise.race([messages.next(), settle().then(() => undefined)]);
    if (next === undefined || next.done === true) break;
    received.push(next.value);
  }
  expect(received.length).toBeLessThanOrEqual(1_001);
  expect(received[0]).toEqual({ kind: 'resync' });
  stop.abort();
});

test('a command in a container is scripted', async () => {
  const exec = (cmd: readonly string[]) => ({ stdout: Buffer.from(cmd.join('+')), stderr: Buffer.alloc(0), exitCode: 1 });
  const { runtime, container } = await setUp({ script: { container: () => ({ exec }) } });
  await expect(runtime.execSync(container, ['x'])).rejects.toThrow('is created');
  await runtime.startContainer(container, never);
  expect((await runtime.execSync(container, ['a', 'b'])).stdout.toString()).toBe('a+b');
});

test('images are pulled, found by name and id, and removed with all their names', async () => {
  const clock = new FakeClock();
  const images = new MemoryImages({
    clock,
    present: ['there:1'],
    pull: (image) => (image === 'bad:1' ? { error: new Error('no') } : { ms: 100 }),
  });
  expect((await images.imageStatus({ image: 'there:1' }))?.repoTags).toEqual(['there:1']);
  const pulling = images.pullImage({ image: 'new:1' }, undefined, undefined, never);
  await clock.advance(100);
  const id = await pulling;
  expect((await images.imageStatus({ image: id }))?.repoTags).toEqual(['new:1']);
  await expect(images.pullImage({ image: 'bad:1' }, undefined, undefined, never)).rejects.toThrow('no');
  await images.removeImage({ image: id });
  await images.removeImage({ image: id });
  expect((await images.listImages({})).map(({ repoTags }) => repoTags[0])).toEqual(['there:1']);
});
