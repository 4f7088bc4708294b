/** The node's addresses (kubelet pkg/kubelet/nodestatus/setters.go NodeAddress, apimachinery pkg/util/net/interface.go). */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';
import { FailedPreconditionError } from '../lib/errors.ts';

export interface AddressFacts {
  readonly interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
  /** /proc/net/route and /proc/net/ipv6_route. */
  readonly routes: { readonly ipv4: string; readonly ipv6: string };
  /** What the name service says of the node's name. */
  readonly resolved: readonly string[];
}

export interface NodeAddress {
  readonly type: 'InternalIP' | 'Hostname';
  readonly address: string;
}

/**
 * Configured addresses, else the host name if it is one, else what the name resolves to on this host, else the address of the
 * default route's interface, else any global one. The host name comes last.
 * @throws FailedPreconditionError when a configured address is not this host's, or none can be found
 */
export function nodeAddresses(nodeIPs: readonly string[], hostname: string, facts: AddressFacts): NodeAddress[] {
  const specified = nodeIPs.filter((address) => !isUnspecified(address));
  for (const address of specified) {
    const fault = addressFault(address, facts);
    if (fault !== undefined) throw new FailedPreconditionError(`failed to validate nodeIP: ${fault}`);
  }
  const prefersIPv6 = nodeIPs[0] !== undefined && isIPv6(nodeIPs[0]);
  const internal = specified.length > 0 ? specified : [discover(hostname, prefersIPv6, facts)];
  return [...internal.map((address): NodeAddress => ({ type: 'InternalIP', address })), { type: 'Hostname', address: hostname }];
}

function discover(hostname: string, prefersIPv6: boolean, facts: AddressFacts): string {
  if (isIP(hostname) !== 0) return hostname;
  const preferred = (address: string): boolean => isIPv6(address) === prefersIPv6;
  const resolved = facts.resolved.filter((address) => addressFault(address, facts) === undefined);
  const families = prefersIPv6 ? (['IPv6', 'IPv4'] as const) : (['IPv4', 'IPv6'] as const);
  const found =
    resolved.find(preferred) ??
    resolved[0] ??
    families.map((family) => routed(family, facts)).find(Boolean) ??
    families.map((family) => global(family, facts)).find(Boolean);
  if (found === undefined)
    throw new FailedPreconditionError(`can't get ip address of node ${hostname}: no interface has a global address; set nodeIP`);
  return found;
}

/** What is wrong with `address` as this host's; `undefined` when nothing is. */
function addressFault(address: string, facts: AddressFacts): string | undefined {
  if (!ipaddr.isValid(address)) return `${address} is not an IP address`;
  const range = ipaddr.parse(address).range();
  if (range === 'loopback') return "nodeIP can't be loopback address";
  if (range === 'multicast') return "nodeIP can't be a multicast address";
  if (range === 'linkLocal') return "nodeIP can't be a link-local unicast address";
  if (range === 'unspecified') return "nodeIP can't be an all zeros address";
  return hostAddresses(facts).some((own) => sameAddress(own, address))
    ? undefined
    : `node IP: "${address}" not found in the host's network interfaces`;
}

function hostAddresses({ interfaces }: AddressFacts): string[] {
  return Object.values(interfaces).flatMap((list) => list?.map(({ address }) => address) ?? []);
}

function sameAddress(a: string, b: string): boolean {
  return ipaddr.isValid(a) && ipaddr.isValid(b) && ipaddr.parse(a).toNormalizedString() === ipaddr.parse(b).toNormalizedString();
}

function isUnspecified(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.parse(address).range() === 'unspecified';
}

type Family = 'IPv4' | 'IPv6';

/** The first global address of an interface that a default route goes through; the loopback's when that has none (RFC 5549). */
function routed(family: Family, facts: AddressFacts): string | undefined {
  for (const name of family === 'IPv4' ? defaultInterfacesV4(facts.routes.ipv4) : defaultInterfacesV6(facts.routes.ipv6)) {
    const address = globalAddress(facts.interfaces[name], family) ?? globalAddress(facts.interfaces['lo'], family);
    if (address !== undefined) return address;
  }
  return undefined;
}

function global(family: Family, facts: AddressFacts): string | undefined {
  for (const list of Object.values(facts.interfaces)) {
    const address = globalAddress(list, family);
    if (address !== undefined) return address;
  }
  return undefined;
}

const NOT_GLOBAL = new Set(['loopback', 'linkLocal', 'multicast', 'unspecified', 'broadcast']);

function globalAddress(list: readonly NetworkInterfaceInfo[] | undefined, family: Family): string | undefined {
  return list?.find(
    ({ address }) => (family === 'IPv4') === isIPv4(address) && ipaddr.isValid(address) && !NOT_GLOBAL.has(ipaddr.parse(address).range()),
  )?.address;
}

/** Route flag RTF_GATEWAY or a default destination: destination and mask are zero, the route is up. */
function defaultInterfacesV4(table: string): string[] {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , flags, , , , mask]) => destination === '00000000' && mask === '00000000' && (Number(`0x${flags}`) & 1) === 1)
    .map(([name = '']) => name);
}

function defaultInterfacesV6(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10 && /^0{32}$/.test(fields[0] ?? '') && fields[1] === '00' && fields[9] !== 'lo')
    .map((fields) => fields[9] ?? '');
}
