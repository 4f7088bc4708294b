import { expect, test } from 'vitest';
import { qosClass } from './qos-class.ts';
import type { ContainerSpec, Pod, ResourceRequirements } from './types.ts';

const pod = (containers: readonly (ResourceRequirements | undefined)[], extra: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: {
    containers: containers.map((resources, index): ContainerSpec => ({
      name: `c${index}`,
      ...(resources === undefined ? {} : { resources }),
    })),
    ...extra,
  },
});

const full = (cpu: string, memory: string): ResourceRequirements => ({ requests: { cpu, memory }, limits: { cpu, memory } });

test.each<[string, Pod, string]>([
  ['nothing is asked for', pod([undefined]), 'BestEffort'],
  ['only other resources and zeros are asked for', pod([{ requests: { 'ephemeral-storage': '1Gi', cpu: '0' } }]), 'BestEffort'],
  ['requests are all there is', pod([{ requests: { cpu: '1' } }]), 'Burstable'],
  ['every container has equal requests and limits', pod([full('1', '1Gi'), full('500m', '64Mi')]), 'Guaranteed'],
  [
    'requests equal limits in other words',
    pod([{ requests: { cpu: '1000m', memory: '1024Ki' }, limits: { cpu: '1', memory: '1Mi' } }]),
    'Guaranteed',
  ],
  ['one container has none', pod([full('1', '1Gi'), undefined]), 'Burstable'],
  ['an init container has none', pod([full('1', '1Gi')], { initContainers: [{ name: 'i' }] }), 'Burstable'],
  ['a limit is higher', pod([{ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } }]), 'Burstable'],
  ['only limits are there, without requests', pod([{ limits: { cpu: '1', memory: '1Gi' } }]), 'Burstable'],
  ['the pod itself has equal ones', pod([undefined], { resources: full('1', '1Gi') }), 'Guaranteed'],
  ['the pod itself has a request', pod([full('1', '1Gi')], { resources: { requests: { cpu: '1' } } }), 'Burstable'],
])('%s', (_title, given, expected) => {
  expect(qosClass(given)).toBe(expected);
});
