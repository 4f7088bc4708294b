import { expect, test } from 'vitest';
import type { NodeObject, PodStatus } from '../api/types.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { fakeClient, refusal } from './fake-transport.ts';
import { deletePod, nodeStatusPatch, patchNodeStatus, patchPodStatus, podStatusPatch } from './status-patches.ts';
import { createStrategicPatch } from './strategic-merge.ts';

const never = new AbortController().signal;
const pod = { metadata: { namespace: 'shop', name: 'web', uid: 'u-1' } };
const ready = (status: string): { type: string; status: string } => ({ type: 'Ready', status });

test('only what changed goes out, with the pod’s UID', () => {
  const before: PodStatus = {
    phase: 'Pending',
    hostIP: '10.0.0.1',
    conditions: [ready('False'), { type: 'PodScheduled', status: 'True' }],
  };
  const after: PodStatus = { phase: 'Running', hostIP: '10.0.0.1', conditions: [ready('True'), { type: 'PodScheduled', status: 'True' }] };
  expect(podStatusPatch(pod, before, after)).toEqual({
    metadata: { uid: 'u-1' },
    status: {
      phase: 'Running',
      '$setElementOrder/conditions': [{ type: 'Ready' }, { type: 'PodScheduled' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
});

test('an unchanged status is not written, whatever the order of its fields', () => {
  const before: PodStatus = { phase: 'Running', podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }] };
  const after: PodStatus = { podIPs: [{ ip: '10.1.0.1' }], podIP: '10.1.0.1', phase: 'Running' };
  expect(podStatusPatch(pod, before, after)).toBeUndefined();
});

test('an empty list that the server leaves out is no change', () => {
  expect(podStatusPatch(pod, { phase: 'Running' }, { phase: 'Running', containerStatuses: [], podIPs: [] })).toBeUndefined();
});

test('fields that are gone become null and items that are gone are deleted by their key', () => {
  const before: PodStatus = { reason: 'Evicted', podIPs: [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }] };
  expect(podStatusPatch(pod, before, { podIPs: [{ ip: '10.1.0.1' }] })?.['status']).toEqual({
    reason: null,
    '$setElementOrder/podIPs': [{ ip: '10.1.0.1' }],
    podIPs: [{ $patch: 'delete', ip: 'fd00::1' }],
  });
});

test('container statuses are replaced as a whole', () => {
  const status = (ready: boolean): NonNullable<PodStatus['containerStatuses']>[number] => ({
    name: 'app',
    image: 'i',
    imageID: 'id',
    ready,
    restartCount: 0,
  });
  const other = { ...status(true), name: 'other' };
  const patch = podStatusPatch(pod, { containerStatuses: [status(false), other] }, { containerStatuses: [status(true), other] });
  expect(patch?.['status']).toEqual({ containerStatuses: [status(true), other] });
});

test('a list that only changes its order is sent as an order', () => {
  expect(createStrategicPatch({ list: [{ k: 1 }, { k: 2 }] }, { list: [{ k: 2 }, { k: 1 }] }, { list: 'k' })).toEqual({
    '$setElementOrder/list': [{ k: 2 }, { k: 1 }],
  });
});

test('the patch is sent to the status of the pod, and nothing is sent when nothing changed', async () => {
  const answer = { ...pod, spec: { containers: [] }, status: { phase: 'Running' } };
  const { client, transport } = fakeClient(new FakeClock(), () => ({ body: answer }));
  expect(await patchPodStatus(client, pod, { phase: 'Pending' }, { phase: 'Running' }, never)).toEqual(answer);
  expect(await patchPodStatus(client, pod, { phase: 'Running' }, { phase: 'Running' }, never)).toBeUndefined();
  expect(transport.requests).toHaveLength(1);
  expect(transport.requests[0]).toMatchObject({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/web/status',
    headers: { 'content-type': 'application/strategic-merge-patch+json' },
  });
});

test('a pod is deleted at once and only if it still is the same; one that is gone is success', async () => {
  const { client, transport } = fakeClient(new FakeClock(), () => refusal(404, 'NotFound'));
  await deletePod(client, pod, never);
  expect(transport.requests[0]).toMatchObject({
    method: 'DELETE',
    path: '/api/v1/namespaces/shop/pods/web',
    body: { gracePeriodSeconds: 0, preconditions: { uid: 'u-1' } },
  });
  transport.handle = () => refusal(409, 'Conflict');
  await expect(deletePod(client, pod, never)).rejects.toThrow('Conflict');
});

function node(overrides: Partial<NodeObject['metadata']> = {}, status: NodeObject['status'] = {}): NodeObject {
  return { metadata: { name: 'node-1', ...overrides }, status };
}

test('foreign labels, annotations, conditions and resources of a node survive', () => {
  const foreign = node(
    { labels: { team: 'a', old: 'x' }, annotations: { note: 'kept' } },
    { capacity: { cpu: '4', 'example.com/gpu': '2' }, conditions: [{ type: 'Foreign', status: 'True' }, ready('False')] },
  );
  const after = node(
    { labels: { team: 'a', new: 'y' }, annotations: { note: 'kept' } },
    { capacity: { cpu: '8', 'example.com/gpu': '2' }, conditions: [{ type: 'Foreign', status: 'True' }, ready('True')] },
  );
  expect(nodeStatusPatch(foreign, after)).toEqual({
    metadata: { labels: { old: null, new: 'y' } },
    status: {
      capacity: { cpu: '8' },
      '$setElementOrder/conditions': [{ type: 'Foreign' }, { type: 'Ready' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
});

test('addresses are replaced as a list, because several may have one type', () => {
  const before = node({}, { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] });
  const addresses = [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'InternalIP', address: 'fd00::1' },
  ];
  expect(nodeStatusPatch(before, node({}, { addresses }))).toEqual({ status: { addresses: [...addresses, { $patch: 'replace' }] } });
});

test('a node that has not changed is not written', async () => {
  const { client, transport } = fakeClient(new FakeClock(), () => ({ body: node() }));
  expect(await patchNodeStatus(client, node(), node(), never)).toBeUndefined();
  expect(transport.requests).toHaveLength(0);
});
