import { expect, test } from 'vitest';
import type { Service } from '../api/types.ts';
import { serviceEnvironment } from './service-env.ts';

const service = (namespace: string, name: string, clusterIP: string, ports: NonNullable<Service['spec']>['ports']): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP, ...(ports === undefined ? {} : { ports }) },
});
const kubernetes = service('default', 'kubernetes', '10.96.0.1', [{ name: 'https', port: 443 }]);

test('a service has its host, its ports by name, and the variables of Docker links', () => {
  const redis = service('shop', 'redis-primary', '10.0.0.11', [
    { port: 6379, protocol: 'TCP' },
    { name: 'm-x', port: 9, protocol: 'UDP' },
  ]);
  expect([...serviceEnvironment([redis], 'shop', true)]).toEqual([
    ['REDIS_PRIMARY_SERVICE_HOST', '10.0.0.11'],
    ['REDIS_PRIMARY_SERVICE_PORT', '6379'],
    ['REDIS_PRIMARY_SERVICE_PORT_M_X', '9'],
    ['REDIS_PRIMARY_PORT', 'tcp://10.0.0.11:6379'],
    ['REDIS_PRIMARY_PORT_6379_TCP', 'tcp://10.0.0.11:6379'],
    ['REDIS_PRIMARY_PORT_6379_TCP_PROTO', 'tcp'],
    ['REDIS_PRIMARY_PORT_6379_TCP_PORT', '6379'],
    ['REDIS_PRIMARY_PORT_6379_TCP_ADDR', '10.0.0.11'],
    ['REDIS_PRIMARY_PORT_9_UDP', 'udp://10.0.0.11:9'],
    ['REDIS_PRIMARY_PORT_9_UDP_PROTO', 'udp'],
    ['REDIS_PRIMARY_PORT_9_UDP_PORT', '9'],
    ['REDIS_PRIMARY_PORT_9_UDP_ADDR', '10.0.0.11'],
  ]);
});

test('an IPv6 address stands in brackets before a port', () => {
  expect(serviceEnvironment([service('shop', 'a', 'fd00::5', [{ port: 80 }])], 'shop', true).get('A_PORT')).toBe('tcp://[fd00::5]:80');
});

test('headless services, external names and other namespaces are left out', () => {
  const services = [
    service('shop', 'headless', 'None', [{ port: 1 }]),
    service('shop', 'external', '', [{ port: 1 }]),
    service('other', 'elsewhere', '10.0.0.2', [{ port: 1 }]),
    service('default', 'not-master', '10.0.0.3', [{ port: 1 }]),
  ];
  expect(serviceEnvironment(services, 'shop', true).size).toBe(0);
});

test('without service links only the API server remains', () => {
  const names = [...serviceEnvironment([kubernetes, service('shop', 'web', '10.0.0.4', [{ port: 1 }])], 'shop', false).keys()];
  expect(names.every((name) => name.startsWith('KUBERNETES_'))).toBe(true);
  expect(names).toContain('KUBERNETES_SERVICE_HOST');
});

test("a pod's own namespace hides the API server's service of the same name, whatever the order", () => {
  const own = service('shop', 'kubernetes', '10.9.9.9', [{ port: 1 }]);
  for (const services of [
    [kubernetes, own],
    [own, kubernetes],
  ]) {
    expect(serviceEnvironment(services, 'shop', true).get('KUBERNETES_SERVICE_HOST')).toBe('10.9.9.9');
  }
});
