import { expect, test } from 'vitest';
import type { ContainerStatusObject, Pod } from '../api/types.ts';
import { logContainerId, runningContainerId } from './find-container.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { containers: [{ name: 'c' }] } };
const statusOf = (more: Partial<ContainerStatusObject>) => ({
  containerStatuses: [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, ...more }],
});
const terminated = (containerID?: string) => ({ terminated: { exitCode: 1, ...(containerID === undefined ? {} : { containerID }) } });

test('the log of a running container is its own', () => {
  expect(
    logContainerId(
      pod,
      statusOf({ containerID: 'docker://new', state: { running: {} }, lastState: terminated('docker://old') }),
      'c',
      false,
    ),
  ).toBe('new');
});

test('the log of a container that waits for its restart is that of the one before', () => {
  const waiting = { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated('docker://old') };
  expect(logContainerId(pod, statusOf(waiting), 'c', false)).toBe('old');
});

test('the previous log is that of the last container that ended', () => {
  const running = { containerID: 'docker://new', state: { running: {} } };
  expect(logContainerId(pod, statusOf({ ...running, lastState: terminated('docker://old') }), 'c', true)).toBe('old');
  expect(() => logContainerId(pod, statusOf(running), 'c', true)).toThrow('previous terminated container "c" in pod "p" not found');
});

test.each([
  ['ErrImagePull', "is waiting to start: image can't be pulled"],
  ['ImagePullBackOff', 'is waiting to start: trying and failing to pull image'],
  ['ContainerCreating', 'is waiting to start: ContainerCreating'],
])('a container that has never run and waits for %s says so', (reason, message) => {
  expect(() => logContainerId(pod, statusOf({ state: { waiting: { reason } } }), 'c', false)).toThrow(message);
});

test('a container without a status is not available', () => {
  expect(() => logContainerId(pod, {}, 'c', false)).toThrow('container "c" in pod "p" is not available');
});

test('commands go to running containers only', () => {
  expect(runningContainerId(statusOf({ containerID: 'docker://id', state: { running: {} } }), 'c')).toBe('id');
  expect(() => runningContainerId(statusOf({ containerID: 'docker://id', state: terminated() }), 'c')).toThrow('container not found ("c")');
});
