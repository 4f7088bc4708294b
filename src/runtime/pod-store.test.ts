import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { MemoryRuntime } from './memory/memory-runtime.ts';
import type { ObservedSandbox } from './observed-pod.ts';
import { PodStore } from './pod-store.ts';
import { makeContainerConfig, makePod, makeSandboxConfig } from './testing/fixtures.ts';
import type { ContainerEvent, ContainerState, ContainerStatus, PodSandboxStatus } from './types.ts';

const never = new AbortController().signal;

/** A pod's sandbox and one container, as the in-memory runtime words them. */
async function material(attempt = 0) {
  const runtime = new MemoryRuntime({ clock: new FakeClock(0) });
  const config = makeSandboxConfig(makePod(), attempt);
  const sandboxId = await runtime.runPodSandbox(config, '', never);
  const containerId = await runtime.createContainer(sandboxId, makeContainerConfig(), config, never);
  const sandbox: PodSandboxStatus = { ...(await runtime.podSandboxStatus(sandboxId)), id: `sandbox-${attempt}` };
  const container: ContainerStatus = { ...(await runtime.containerStatus(containerId)), id: `container-${attempt}` };
  const event = (createdAt: bigint, state: ContainerState, change: Partial<ContainerEvent> = {}): ContainerEvent => ({
    containerId: container.id,
    type: 'started',
    createdAt,
    podSandboxStatus: sandbox,
    containersStatuses: [{ ...container, state }],
    ...change,
  });
  const listed = (state: ContainerState): ObservedSandbox => ({
    id: sandbox.id,
    status: sandbox,
    containers: [{ ...container, state, podSandboxId: sandbox.id }],
  });
  return { sandbox, container, event, listed };
}

const stateIn = (store: PodStore): string | undefined => store.get('uid-1')?.containers[0]?.state;

test('an event that happened before the last one of its sandbox changes nothing', async () => {
  const { event } = await material();
  const store = new PodStore();
  expect(store.applyEvent(event(20n, 'running'), 0)).toBe('uid-1');
  expect(store.applyEvent(event(10n, 'created'), 0)).toBeUndefined();
  expect(stateIn(store)).toBe('running');
});

test('the same news again is no change', async () => {
  const { event, listed } = await material();
  const store = new PodStore();
  store.applyEvent(event(20n, 'running'), 0);
  expect(store.applyEvent(event(21n, 'running'), 5)).toBeUndefined();
  expect(store.applyPod('uid-1', [listed('running')], 30n, 9)).toBe(false);
});

test('an answer that was asked for before an event does not undo the event', async () => {
  const { event, listed } = await material();
  const store = new PodStore();
  store.applyEvent(event(20n, 'exited'), 0);
  store.applyPod('uid-1', [listed('running')], 15n, 0);
  expect(stateIn(store)).toBe('exited');
  store.applyPod('uid-1', [], 15n, 0);
  expect(stateIn(store)).toBe('exited');
  store.applyPod('uid-1', [], 25n, 0);
  expect(store.get('uid-1')).toBeUndefined();
});

test('no event brings back a sandbox that a list has shown to be gone; a new one is welcome unless it is older than the list', async () => {
  const [old, fresh] = [await material(0), await material(1)];
  const store = new PodStore();
  store.applyEvent(old.event(10n, 'running'), 0);
  store.applyPod('uid-1', [], 20n, 0);
  expect(store.applyEvent(old.event(15n, 'exited'), 0)).toBeUndefined();
  expect(store.applyEvent(old.event(25n, 'exited'), 0)).toBeUndefined();
  expect(store.applyEvent(fresh.event(19n, 'running'), 0)).toBeUndefined();
  store.listed(30n);
  expect(store.applyEvent(fresh.event(29n, 'running'), 0)).toBeUndefined();
  expect(store.applyEvent(old.event(35n, 'exited'), 0)).toBeUndefined();
  expect(store.uids()).toEqual([]);
  expect(store.applyEvent(fresh.event(31n, 'running'), 0)).toBe('uid-1');
});

test('nor one that an event has removed, and nor does an answer that was asked for before', async () => {
  const { event, listed, sandbox } = await material();
  const store = new PodStore();
  store.applyEvent(event(10n, 'running'), 0);
  expect(store.applyEvent(event(20n, 'exited', { type: 'deleted', containerId: sandbox.id, containersStatuses: [] }), 0)).toBe('uid-1');
  expect(store.applyEvent(event(15n, 'exited'), 0)).toBeUndefined();
  expect(store.applyEvent(event(21n, 'exited'), 0)).toBeUndefined();
  expect(store.applyPod('uid-1', [listed('exited')], 15n, 0)).toBe(false);
  expect(store.get('uid-1')).toBeUndefined();
  expect(store.applyPod('uid-1', [listed('exited')], 25n, 0)).toBe(true);
});

test('an event that knows nothing of the sandbox any more removes it by the container it names', async () => {
  const { event, container } = await material();
  const store = new PodStore();
  store.applyEvent(event(10n, 'running'), 0);
  const removal: ContainerEvent = { containerId: container.id, type: 'deleted', createdAt: 20n, containersStatuses: [] };
  expect(store.applyEvent(removal, 0)).toBe('uid-1');
  expect(store.get('uid-1')).toBeUndefined();
  expect(store.applyEvent({ ...removal, containerId: 'nobody' }, 0)).toBeUndefined();
});

test('a container never goes back, whatever a later answer says', async () => {
  const { event, listed } = await material();
  const store = new PodStore();
  store.applyEvent(event(10n, 'exited'), 0);
  store.applyEvent(event(20n, 'running'), 0);
  store.applyPod('uid-1', [listed('running')], 30n, 0);
  expect(stateIn(store)).toBe('exited');
});

test('the newest attempt comes first, and each container says whose it is', async () => {
  const [first, second] = [await material(0), await material(1)];
  const store = new PodStore();
  store.applyEvent(second.event(10n, 'running'), 0);
  store.applyEvent(first.event(11n, 'exited'), 0);
  const pod = store.get('uid-1');
  expect(pod?.sandboxes.map(({ metadata }) => metadata.attempt)).toEqual([1, 0]);
  expect(new Map(pod?.containers.map(({ id, podSandboxId }) => [id, podSandboxId]))).toEqual(
    new Map([
      ['container-0', 'sandbox-0'],
      ['container-1', 'sandbox-1'],
    ]),
  );
});

test('an event about one sandbox leaves the other alone', async () => {
  const [first, second] = [await material(0), await material(1)];
  const store = new PodStore();
  store.applyEvent(first.event(10n, 'exited'), 0);
  store.applyEvent(second.event(11n, 'running'), 0);
  store.applyEvent(first.event(12n, 'exited', { type: 'deleted', containerId: 'sandbox-0', containersStatuses: [] }), 0);
  expect(store.get('uid-1')?.containers.map(({ id }) => id)).toEqual(['container-1']);
});

test('what is remembered of removed sandboxes is forgotten with the second full list', async () => {
  const { event } = await material();
  const store = new PodStore();
  store.applyEvent(event(10n, 'running'), 0);
  store.applyPod('uid-1', [], 20n, 0);
  store.listed(21n);
  expect(store.applyEvent(event(50n, 'running'), 0)).toBeUndefined();
  store.listed(40n);
  expect(store.applyEvent(event(50n, 'running'), 0)).toBe('uid-1');
});
