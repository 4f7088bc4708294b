import { expect, test } from 'vitest';
import type { ContainerStatusObject, ContainerStateStatus } from '../../api/types.ts';
import type { PodCache } from '../../pods/types.ts';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { MemoryRuntime } from '../memory/memory-runtime.ts';
import { createPleg } from '../pleg.ts';
import { makeContainerConfig, makeSandboxConfig } from '../testing/fixtures.ts';
import { containerEnded } from './container-ended.ts';
import { containerForLogs } from './container-for-logs.ts';

const ended = (containerID?: string): ContainerStateStatus => ({
  terminated: { exitCode: 1, ...(containerID === undefined ? {} : { containerID }) },
});

function status(state: ContainerStateStatus, lastState: ContainerStateStatus = {}, containerID = 'docker://now'): ContainerStatusObject {
  return { name: 'main', state, lastState, containerID, image: '', imageID: '', ready: false, restartCount: 0 };
}

test.each([
  ['running', status({ running: {} }), false, 'now'],
  ['ended', status(ended('docker://dead')), false, 'dead'],
  ['ended without a container, one before', status(ended(), ended('docker://before')), false, 'before'],
  ['in crash loop', status({ waiting: { reason: 'CrashLoopBackOff' } }, ended('docker://before'), ''), false, 'before'],
  ['the one before', status({ running: {} }, ended('containerd://before')), true, 'before'],
])('%s', (_name, container, previous, expected) => {
  expect(containerForLogs('p', { containerStatuses: [container] }, 'main', previous)).toBe(expected);
});

test('init and ephemeral containers have logs too', () => {
  expect(containerForLogs('p', { initContainerStatuses: [status(ended('docker://i'))] }, 'main', false)).toBe('i');
  expect(containerForLogs('p', { ephemeralContainerStatuses: [status({ running: {} })] }, 'main', false)).toBe('now');
});

test.each([
  [
    status({ waiting: { reason: 'ContainerCreating' } }, {}, ''),
    false,
    'container "main" in pod "p" is waiting to start: ContainerCreating',
  ],
  [status({ waiting: { reason: 'ErrImagePull' } }, {}, ''), false, "is waiting to start: image can't be pulled"],
  [status({ waiting: { reason: 'ImagePullBackOff' } }, {}, ''), false, 'is waiting to start: trying and failing to pull image'],
  [status({}, {}, ''), false, 'is waiting to start - no logs yet'],
  [status(ended()), false, 'container "main" in pod "p" is terminated'],
  [status({ running: {} }), true, 'previous terminated container "main" in pod "p" not found'],
])('%j has no log: %s %s', (container, previous, message) => {
  expect(() => containerForLogs('p', { containerStatuses: [container] }, 'main', previous)).toThrow(message);
});

test('an unknown container is named', () => {
  expect(() => containerForLogs('p', {}, 'nobody', false)).toThrow('container "nobody" in pod "p" is not available');
});

async function runningContainer() {
  const signal = new AbortController().signal;
  const runtime = new MemoryRuntime({ clock: new FakeClock() });
  const cache = createPleg({ runtime, clock: new FakeClock(), logger: silentLogger });
  const sandbox = await runtime.runPodSandbox(makeSandboxConfig(), '', signal);
  const id = await runtime.createContainer(sandbox, makeContainerConfig(), makeSandboxConfig(), signal);
  await runtime.startContainer(id, signal);
  await cache.refresh('uid-1', signal);
  return { runtime, cache, id, signal };
}

test('the end of a container is told by the cache', async () => {
  const { runtime, cache, id, signal } = await runningContainer();
  await containerEnded(cache, 'uid-1', 'nobody', signal);
  let ended = false;
  const waiting = containerEnded(cache, 'uid-1', id, signal).then(() => (ended = true));
  await settle();
  expect(ended).toBe(false);
  runtime.exit(id, 0);
  await cache.refresh('uid-1', signal);
  await waiting;
});

test('who gives up waiting for the end is let go and listens no more', async () => {
  const { cache, id } = await runningContainer();
  let listeners = 0;
  const counting: Pick<PodCache, 'get' | 'onChange'> = {
    get: (uid) => cache.get(uid),
    onChange: (listener) => {
      const end = cache.onChange(listener);
      listeners += 1;
      return () => {
        listeners -= 1;
        end();
      };
    },
  };
  const client = new AbortController();
  const waiting = containerEnded(counting, 'uid-1', id, client.signal);
  expect(listeners).toBe(1);
  client.abort();
  await waiting;
  expect(listeners).toBe(0);
});
