import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { nodeAddresses, type AddressFacts } from './addresses.ts';

function address(ip: string): NetworkInterfaceInfo {
  const rest = { netmask: '', mac: '', internal: false, cidr: null };
  return ip.includes(':') ? { ...rest, address: ip, family: 'IPv6', scopeid: 0 } : { ...rest, address: ip, family: 'IPv4' };
}

const HEADER = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
const facts: AddressFacts = {
  interfaces: {
    lo: [address('127.0.0.1')],
    docker0: [address('172.17.0.1')],
    eth0: [address('169.254.1.1'), address('192.168.1.5'), address('fe80::1'), address('fd00::5')],
  },
  routes: {
    ipv4: `${HEADER}docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`,
    ipv6: `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000400 00000001 00000000 00000003 eth0\n`,
  },
  resolved: [],
};

function internal(nodeIPs: readonly string[], hostname: string, changes: Partial<AddressFacts> = {}): string[] {
  return nodeAddresses(nodeIPs, hostname, { ...facts, ...changes }).map(({ type, address: ip }) => `${type} ${ip}`);
}

test.each<[string, readonly string[], string, Partial<AddressFacts>, string]>([
  ['the default route’s interface', [], 'n1', {}, '192.168.1.5'],
  ['its IPv6 address when :: is asked for', ['::'], 'n1', {}, 'fd00::5'],
  ['a configured address', ['172.17.0.1'], 'n1', {}, '172.17.0.1'],
  ['a host name that is an address', [], '10.1.1.1', {}, '10.1.1.1'],
  ['what the name resolves to on this host', [], 'n1', { resolved: ['127.0.1.1', '8.8.8.8', '172.17.0.1'] }, '172.17.0.1'],
  ['any global address without a default route', [], 'n1', { routes: { ipv4: HEADER, ipv6: '' } }, '172.17.0.1'],
])('the address is %s', (_, nodeIPs, hostname, changes, expected) => {
  expect(internal(nodeIPs, hostname, changes)).toEqual([`InternalIP ${expected}`, `Hostname ${hostname}`]);
});

test('two families are both reported, the first is the primary', () => {
  expect(internal(['fd00::5', '192.168.1.5'], 'n1')).toEqual(['InternalIP fd00::5', 'InternalIP 192.168.1.5', 'Hostname n1']);
});

test.each([
  ['127.0.0.1', "can't be loopback"],
  ['10.9.9.9', 'not found in the host'],
  ['169.254.1.1', "can't be a link-local"],
  ['224.0.0.1', "can't be a multicast"],
])('%s as node IP is refused', (ip, message) => {
  expect(() => internal([ip], 'n1')).toThrow(message);
});

test('a host without any address says what to set', () => {
  expect(() => internal([], 'n1', { interfaces: { lo: [address('127.0.0.1')] } })).toThrow('set nodeIP');
});
