import { describe, expect, test } from 'vitest';
import type { ContainerSpec, Pod, PodSpec } from '../../api/types.ts';
import { container, sidecar, testPod } from '../testing/builders.ts';
import { admit } from './admit.ts';
import type { AdmissionNode } from './types.ts';

const node: AdmissionNode = {
  name: 'node-1',
  labels: { 'kubernetes.io/os': 'linux', disk: 'ssd', cores: '8' },
  taints: [],
  allocatable: { cpu: '2', memory: '1Gi', pods: '3', 'example.com/gpu': '1' },
  supportsSupplementalGroupsPolicy: false,
  allowedUnsafeSysctls: ['kernel.msg*', 'net.core.somaxconn'],
};

function reason(
  spec: Partial<PodSpec>,
  others: readonly Pod[] = [],
  metadata: Partial<Pod['metadata']> = {},
  on = node,
): string | undefined {
  return admit({ pod: testPod(spec, metadata), others, node: on })?.reason;
}

const asking = (requests: Record<string, string>, base: ContainerSpec = container('web')): ContainerSpec => ({
  ...base,
  resources: { requests },
});
const otherPod = (spec: Partial<PodSpec>): Pod => testPod(spec, { uid: 'o', name: 'o' });

test('a plain pod is admitted', () => {
  expect(admit({ pod: testPod(), others: [], node })).toBeUndefined();
});

describe('resources', () => {
  test('what others hold is counted, and the refusal says how much in which unit', () => {
    const rejection = admit({
      pod: testPod({ containers: [asking({ cpu: '1500m' })] }),
      others: [otherPod({ containers: [asking({ cpu: '600m' })] })],
      node,
    });
    expect(rejection).toEqual({
      reason: 'OutOfcpu',
      message: "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000",
    });
  });

  test.each<[string, Partial<PodSpec>, string | undefined]>([
    ['exactly what is there', { containers: [asking({ cpu: '2', memory: '1Gi' })] }, undefined],
    ['memory', { containers: [asking({ memory: '1025Mi' })] }, 'OutOfmemory'],
    ['local storage of which the node has none', { containers: [asking({ 'ephemeral-storage': '1' })] }, 'OutOfephemeral-storage'],
    ['a device too many', { containers: [asking({ 'example.com/gpu': '2' })] }, 'OutOfexample.com/gpu'],
    ['a resource that the node does not know', { containers: [asking({ 'example.com/other': '2' })] }, undefined],
    ['an init container alone', { initContainers: [asking({ cpu: '3' }, container('i'))] }, 'OutOfcpu'],
    [
      'init containers one after another',
      { initContainers: [asking({ cpu: '2' }, container('i')), asking({ cpu: '2' }, container('j'))] },
      undefined,
    ],
    [
      'a sidecar beside the app',
      { initContainers: [asking({ cpu: '1' }, sidecar('s'))], containers: [asking({ cpu: '1500m' })] },
      'OutOfcpu',
    ],
    ['overhead', { overhead: { cpu: '1' }, containers: [asking({ cpu: '1500m' })] }, 'OutOfcpu'],
  ])('%s', (_title, spec, expected) => {
    expect(reason(spec)).toBe(expected);
  });

  test('the number of pods', () => {
    const others = ['a', 'b', 'c'].map((uid) => testPod({}, { uid }));
    expect(reason({}, others)).toBe('OutOfpods');
    expect(reason({}, others.slice(1))).toBeUndefined();
  });
});

describe('node affinity', () => {
  const affinity = (...nodeSelectorTerms: object[]): Partial<PodSpec> => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });

  test.each<[string, Partial<PodSpec>, string | undefined]>([
    ['a selector that matches', { nodeSelector: { disk: 'ssd' } }, undefined],
    ['a selector that does not', { nodeSelector: { disk: 'hdd' } }, 'NodeAffinity'],
    [
      'one of several terms',
      affinity(
        { matchExpressions: [{ key: 'x', operator: 'Exists' }] },
        { matchExpressions: [{ key: 'cores', operator: 'Gt', values: ['4'] }] },
      ),
      undefined,
    ],
    [
      'half of a term',
      affinity({
        matchExpressions: [
          { key: 'disk', operator: 'Exists' },
          { key: 'x', operator: 'Exists' },
        ],
      }),
      'NodeAffinity',
    ],
    ['an empty term', affinity({}), 'NodeAffinity'],
    ['the name of the node', affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] }), undefined],
    ['the name of another', affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-2'] }] }), 'NodeAffinity'],
    ['another nodeName', { nodeName: 'node-2' }, 'NodeName'],
  ])('%s', (_title, spec, expected) => {
    expect(reason(spec)).toBe(expected);
  });
});

describe('host ports', () => {
  const port = (hostPort: number, extra: { protocol?: string; hostIP?: string } = {}): Partial<PodSpec> => ({
    containers: [{ ...container('web'), ports: [{ containerPort: 80, hostPort, ...extra }] }],
  });

  test.each<[string, Partial<PodSpec>, Partial<PodSpec>, string | undefined]>([
    ['the same', port(8080), port(8080), 'NodePorts'],
    ['another', port(8080), port(8081), undefined],
    ['another protocol', port(8080), port(8080, { protocol: 'UDP' }), undefined],
    ['another address', port(8080, { hostIP: '192.0.2.1' }), port(8080, { hostIP: '192.0.2.2' }), undefined],
    ['every address', port(8080, { hostIP: '192.0.2.1' }), port(8080), 'NodePorts'],
    ['none', port(0), port(0), undefined],
  ])('%s', (_title, mine, theirs, expected) => {
    expect(reason(mine, [otherPod(theirs)])).toBe(expected);
  });

  test('of a sidecar count too', () => {
    const init = { ...sidecar('s'), ports: [{ containerPort: 80, hostPort: 8080 }] };
    expect(reason({ initContainers: [init] }, [otherPod(port(8080))])).toBe('NodePorts');
  });
});

describe('taints', () => {
  const tainted = {
    ...node,
    taints: [
      { key: 'k', value: 'v', effect: 'NoExecute' },
      { key: 'other', effect: 'NoSchedule' },
    ],
  };

  test.each<[string, Partial<PodSpec>, string | undefined]>([
    ['not tolerated', {}, 'TaintToleration'],
    ['tolerated by key and value', { tolerations: [{ key: 'k', value: 'v' }] }, undefined],
    ['of another value', { tolerations: [{ key: 'k', value: 'w' }] }, 'TaintToleration'],
    ['of another effect', { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }] }, 'TaintToleration'],
    ['tolerated whatever they are', { tolerations: [{ operator: 'Exists' }] }, undefined],
  ])('%s', (_title, spec, expected) => {
    expect(reason(spec, [], {}, tainted)).toBe(expected);
  });

  test('do not concern static pods', () => {
    expect(reason({}, [], { annotations: { 'kubernetes.io/config.source': 'file' } }, tainted)).toBeUndefined();
  });
});

describe('what the node cannot do', () => {
  test('another operating system', () => {
    expect(reason({ os: { name: 'windows' } })).toBe('PodOSNotSupported');
    expect(reason({ os: { name: 'linux' } })).toBeUndefined();
    expect(reason({}, [], { labels: { 'kubernetes.io/os': 'windows' } })).toBe('PodOSSelectorNodeLabelDoesNotMatch');
  });

  test('strict supplemental groups without a runtime that has them', () => {
    const strict = { securityContext: { supplementalGroupsPolicy: 'Strict' } };
    expect(reason(strict)).toBe('SupplementalGroupsPolicyNotSupported');
    expect(reason(strict, [], {}, { ...node, supportsSupplementalGroupsPolicy: true })).toBeUndefined();
  });

  test.each<[string, Partial<PodSpec>, string | undefined]>([
    ['kernel.shm_rmid_forced', {}, undefined],
    ['net/ipv4/tcp_syncookies', {}, undefined],
    ['net.core.somaxconn', {}, undefined],
    ['kernel.msgmax', {}, undefined],
    ['net.core.rmem_max', {}, '"net.core.rmem_max" not allowlisted'],
    ['net.ipv4.tcp_syncookies', { hostNetwork: true }, '"net.ipv4.tcp_syncookies" not allowed with host Net enabled'],
    ['kernel.shm_rmid_forced', { hostIPC: true }, '"kernel.shm_rmid_forced" not allowed with host IPC enabled'],
  ])('sysctl %s with %j', (name, spec, expected) => {
    const pod = testPod({ ...spec, securityContext: { sysctls: [{ name, value: '1' }] } });
    const rejection = admit({ pod, others: [], node });
    expect(rejection).toEqual(expected === undefined ? undefined : { reason: 'SysctlForbidden', message: `forbidden sysctl: ${expected}` });
  });
});
