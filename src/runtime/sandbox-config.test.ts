import { expect, test } from 'vitest';
import type { PodSpec } from '../api/types.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { makePod } from './testing/fixtures.ts';

function configOf(spec: Partial<PodSpec> = {}, metadata: Parameters<typeof makePod>[1] = {}) {
  const dnsConfig = { servers: ['10.96.0.10'], searches: [], options: [] };
  return sandboxConfig({ pod: makePod(spec, metadata), attempt: 2, hostname: 'web', dnsConfig, logDirectory: '/l', cgroupParent: '/c' });
}

test('a pod as its sandbox', () => {
  const config = configOf({}, { annotations: { note: 'x' } });
  expect(config).toMatchObject({
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-1', attempt: 2 },
    hostname: 'web',
    logDirectory: '/l',
    dnsConfig: { servers: ['10.96.0.10'] },
    portMappings: [],
    annotations: { note: 'x' },
    linux: { cgroupParent: '/c', sysctls: {} },
  });
});

test('ports of all containers, each only once', () => {
  const ports = [
    { containerPort: 80 },
    { containerPort: 80, protocol: 'UDP', hostPort: 8080, hostIP: '127.0.0.1' },
    { containerPort: 80 },
    { containerPort: 80, hostIP: '::1', hostPort: 8080 },
    { name: 'web', containerPort: 81 },
    { name: 'web', containerPort: 82 },
  ];
  const config = configOf({
    containers: [
      { name: 'a', ports },
      { name: 'b', ports: [{ containerPort: 80 }] },
    ],
  });
  expect(config.portMappings).toEqual([
    { protocol: 'TCP', containerPort: 80, hostPort: 0, hostIp: '' },
    { protocol: 'UDP', containerPort: 80, hostPort: 8080, hostIp: '127.0.0.1' },
    { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '::1' },
    { protocol: 'TCP', containerPort: 81, hostPort: 0, hostIp: '' },
    { protocol: 'TCP', containerPort: 80, hostPort: 0, hostIp: '' },
  ]);
});

test.each([
  ['kernel.shm_rmid_forced', 'kernel.shm_rmid_forced'],
  ['net/ipv4/ip_local_port_range', 'net.ipv4.ip_local_port_range'],
  ['net/ipv4/conf/eno2.100/rp_filter', 'net.ipv4.conf.eno2/100.rp_filter'],
  ['net.ipv4.conf.eno2/100.rp_filter', 'net.ipv4.conf.eno2/100.rp_filter'],
])('sysctl %s is %s', (name, expected) => {
  expect(configOf({ securityContext: { sysctls: [{ name, value: '1' }] } }).linux.sysctls).toEqual({ [expected]: '1' });
});

test('a pod that asks for a user namespace is refused, never run without one', () => {
  expect(() => configOf({ hostUsers: false })).toThrow('spec.hostUsers is false');
  expect(() => configOf({ hostUsers: true })).not.toThrow();
});
