import { expect, test } from 'vitest';
import type { NodeStatus } from '../api/types.ts';
import { buildNodeStatus, type NodeFacts } from './node-status.ts';
import { machine, readyFacts, settings } from './test-fakes.ts';

const T0 = Date.UTC(2026, 0, 1);
const T1 = T0 + 10_000;

function build(facts: Partial<NodeFacts>, previous?: NodeStatus, now = T0) {
  return buildNodeStatus(settings, { ...readyFacts, ...facts }, previous, now);
}

function conditionOf(status: NodeStatus, type: string) {
  return status.conditions?.find((condition) => condition.type === type);
}

test('a healthy node is Ready last, with no pressure, in the kubelet’s words', () => {
  const { status } = build({});
  expect(status.conditions?.map(({ type, status: value, reason, message }) => [type, value, reason, message])).toEqual([
    ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
  ]);
  expect(status.nodeInfo).toMatchObject({
    containerRuntimeVersion: 'docker://20.10.24',
    kubeletVersion: 'v1.37.2+shorelet.0.1.0',
    operatingSystem: 'linux',
  });
  expect(status.daemonEndpoints).toEqual({ kubeletEndpoint: { Port: 10250 } });
});

test.each([
  [['container runtime is down'], 'container runtime is down'],
  [['a', 'b'], '[a, b]'],
])('reasons %j make it not ready with the message %s', (notReadyReasons, message) => {
  expect(conditionOf(build({ notReadyReasons }).status, 'Ready')).toMatchObject({ status: 'False', reason: 'KubeletNotReady', message });
});

test('a condition keeps its transition time as long as it keeps its status', () => {
  const first = build({}).status;
  const second = build({ notReadyReasons: ['x'] }, first, T1).status;
  expect(conditionOf(second, 'Ready')?.lastTransitionTime).toBe('2026-01-01T00:00:10Z');
  expect(conditionOf(second, 'MemoryPressure')).toMatchObject({
    lastTransitionTime: '2026-01-01T00:00:00Z',
    lastHeartbeatTime: '2026-01-01T00:00:10Z',
  });
});

test('pressures are told of from the start, readiness when it changes', () => {
  const first = build({});
  expect(first.events.map(({ reason }) => reason)).toEqual(['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID']);
  const second = build({ notReadyReasons: ['x'], pressures: new Set(['DiskPressure']) }, first.status, T1);
  expect(second.events.map(({ reason }) => reason)).toEqual(['NodeHasDiskPressure', 'NodeNotReady']);
  expect(second.events[1]?.message).toBe('Node n1 status is now: NodeNotReady');
  expect(build({}, second.status, T1).events.map(({ reason }) => reason)).toEqual(['NodeHasNoDiskPressure', 'NodeReady']);
  expect(build({}, first.status, T1).events).toEqual([]);
});

test('another boot id than the recorded one is told of as a reboot', () => {
  const first = build({}).status;
  const { events } = build({ machine: { ...machine, bootId: 'boot-2' } }, first, T1);
  expect(events).toEqual([{ type: 'Warning', reason: 'Rebooted', message: 'Node n1 has been rebooted, boot id: boot-2' }]);
});

test('resources of others stay and become allocatable; huge pages of a former life go', () => {
  const previous: NodeStatus = { capacity: { 'example.com/dongle': '4', 'hugepages-1Gi': '0' }, allocatable: { 'example.com/gone': '1' } };
  const { status } = build({}, previous);
  expect(status.capacity).toEqual({ cpu: '4', memory: '8Gi', pods: '110', 'example.com/dongle': '4' });
  expect(status.allocatable).toEqual({ cpu: '4', memory: '8Gi', pods: '110', 'example.com/dongle': '4' });
});

test('images are the largest ones, each with at most five names', () => {
  const image = (id: string, size: number, repoTags: string[]) => ({
    id,
    size,
    repoTags,
    repoDigests: [`${id}@sha256:1`],
    pinned: false,
    spec: { image: id },
  });
  const images = [image('small', 1, []), image('large', 9, ['1', '2', '3', '4', '5', '6']), { ...image('none', 99, []), repoDigests: [] }];
  const { status } = buildNodeStatus({ ...settings, maxImages: 1 }, { ...readyFacts, images }, undefined, T0);
  expect(status.images).toEqual([{ names: ['large@sha256:1', '1', '2', '3', '4'], sizeBytes: 9 }]);
  expect(buildNodeStatus({ ...settings, maxImages: -1 }, { ...readyFacts, images }, undefined, T0).status.images).toHaveLength(2);
});

test('the network is declared available only by an agent whose own network it is', () => {
  expect(conditionOf(build({}).status, 'NetworkUnavailable')).toBeUndefined();
  const own = { ...settings, networkUnavailable: { reason: 'DockerBridge', message: 'pods are on the bridge' } };
  expect(conditionOf(buildNodeStatus(own, readyFacts, undefined, T0).status, 'NetworkUnavailable')).toMatchObject({
    status: 'False',
    reason: 'DockerBridge',
  });
});
