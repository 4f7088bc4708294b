import { expect, test } from 'vitest';
import { PermissionDeniedError } from '../lib/errors.ts';
import { adoptionPatch, initialNode, register } from './registration.ts';
import { FakeNodes, machine, settings } from './test-fakes.ts';

const signal = new AbortController().signal;

test('a new node has the machine’s labels, those configured, and the taints', () => {
  const node = initialNode(
    {
      ...settings,
      nodeLabels: { rack: '1' },
      registerWithTaints: [{ key: 'a', value: 'b', effect: 'NoExecute' }],
      externalCloudProvider: true,
      providerId: 'x://1',
    },
    machine,
    {},
  );
  expect(node.metadata).toEqual({
    name: 'n1',
    labels: {
      'kubernetes.io/hostname': 'n1',
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'beta.kubernetes.io/os': 'linux',
      'beta.kubernetes.io/arch': 'amd64',
      rack: '1',
    },
    annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
  });
  expect(node.spec).toEqual({
    taints: [
      { key: 'a', value: 'b', effect: 'NoExecute' },
      { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' },
    ],
    providerID: 'x://1',
  });
});

test('virtual-kubelet’s conventions are its label and its taint', () => {
  const node = initialNode({ ...settings, virtualKubelet: { provider: 'edge' } }, machine, {});
  expect(node.metadata.labels?.['type']).toBe('virtual-kubelet');
  expect(node.spec?.taints).toEqual([{ key: 'virtual-kubelet.io/provider', value: 'edge', effect: 'NoSchedule' }]);
});

test('adopting corrects what describes the machine and leaves the rest', () => {
  const node = initialNode(settings, machine, {});
  const existing = {
    metadata: {
      name: 'n1',
      labels: { ...node.metadata.labels, 'kubernetes.io/arch': 'arm64', mine: 'x' },
      annotations: node.metadata.annotations ?? {},
    },
  };
  expect(adoptionPatch(node, existing)).toEqual({ metadata: { labels: { 'kubernetes.io/arch': 'amd64' }, annotations: {} } });
  expect(
    adoptionPatch(node, { ...existing, metadata: { ...existing.metadata, labels: { ...node.metadata.labels, mine: 'x' } } }),
  ).toBeUndefined();
});

test('the attach annotation follows the setting', () => {
  const without = initialNode({ ...settings, controllerAttachDetach: false }, machine, {});
  const existing = initialNode(settings, machine, {});
  expect(adoptionPatch(without, existing)).toEqual({
    metadata: { labels: {}, annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': null } },
  });
});

test('a node that exists is adopted, also by an agent that may not create one', async () => {
  const nodes = new FakeNodes();
  nodes.node = { metadata: { name: 'n1', uid: 'u', labels: { mine: 'x' } } };
  nodes.failures.push(new PermissionDeniedError('no'));
  const adopted = await register(nodes, initialNode(settings, machine, {}), signal);
  expect(nodes.calls).toEqual(['create', 'get', 'patch']);
  expect(adopted.metadata).toMatchObject({ uid: 'u', labels: { mine: 'x', 'kubernetes.io/os': 'linux' } });
});

test('not being allowed to create a node that does not exist is the error to show', async () => {
  const nodes = new FakeNodes();
  nodes.failures.push(new PermissionDeniedError('nodes is forbidden'));
  await expect(register(nodes, initialNode(settings, machine, {}), signal)).rejects.toThrow('nodes is forbidden');
});
