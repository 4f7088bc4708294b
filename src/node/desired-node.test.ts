import { expect, test } from 'vitest';
import type { NodeObject } from '../api/types.ts';
import { desiredNode, nodeHasChanged } from './desired-node.ts';
import { buildNodeStatus } from './node-status.ts';
import { readyFacts, settings } from './test-fakes.ts';

const status = (nowMs: number) => buildNodeStatus(settings, readyFacts, undefined, nowMs).status;
const existing: NodeObject = {
  metadata: { name: 'n1', labels: { role: 'x', 'kubernetes.io/os': 'windows' }, annotations: { note: 'y' } },
  spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] },
  status: { conditions: [{ type: 'Foreign', status: 'True' }], phase: 'Running' },
};

test('conditions, labels, annotations and spec of others stay', () => {
  const node = desiredNode(existing, status(0), { 'kubernetes.io/os': 'linux' });
  expect(node.metadata).toMatchObject({ labels: { role: 'x', 'kubernetes.io/os': 'linux' }, annotations: { note: 'y' } });
  expect(node.spec).toEqual(existing.spec);
  expect(node.status?.conditions?.map(({ type }) => type)).toEqual(['Foreign', 'MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready']);
  expect(node.status?.phase).toBe('Running');
});

test('the heartbeat alone is no change, and an empty list is none', () => {
  const before = desiredNode(existing, status(0), {});
  const later = desiredNode(
    before,
    { ...status(0), conditions: (status(0).conditions ?? []).map((c) => ({ ...c, lastHeartbeatTime: 'later' })) },
    {},
  );
  expect(nodeHasChanged(before, later)).toBe(false);
  const { images: _images, ...rest } = before.status ?? {};
  expect(nodeHasChanged({ ...before, status: rest }, before)).toBe(false);
});

test.each<[string, (node: NodeObject) => NodeObject]>([
  ['a label', (node) => ({ ...node, metadata: { ...node.metadata, labels: {} } })],
  ['an address', (node) => ({ ...node, status: { ...node.status, addresses: [] } })],
  [
    'a condition’s message',
    (node) => ({ ...node, status: { ...node.status, conditions: [{ type: 'Ready', status: 'True', message: 'x' }] } }),
  ],
])('%s is a change', (_, alter) => {
  const node = desiredNode(existing, status(0), {});
  expect(nodeHasChanged(alter(node), node)).toBe(true);
});
