import { isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { podReference } from '../api/object-reference.ts';
import type { Pod } from '../api/types.ts';
import { errorMessage, InvalidInputError } from '../lib/errors.ts';
import type { DNSConfig } from '../runtime/types.ts';
import { kernelHostname, podHostname } from './hostname.ts';
import { hostNetworkHosts, managedHosts } from './hosts-file.ts';
import { fitSearches, fitServers, MAX_SEARCH, MAX_SEARCH_LINE, MAX_SEARCHES } from './limits.ts';
import { mergeOptions, parseResolvConf } from './resolv-conf.ts';
import type { DnsConfigurer, DnsDeps, DnsEvents } from './types.ts';

/** Search domains that a cluster-first pod has before the node's own. */
const CLUSTER_SEARCHES = 3;
const HOSTS_FILE = '/etc/hosts';

/**
 * The kubelet's Configurer (pkg/kubelet/network/dns/dns.go).
 * @throws InvalidInputError naming an entry of `clusterDNS` that is no IP address
 */
export function createDnsConfigurer(deps: DnsDeps): DnsConfigurer {
  const { settings, events, readText } = deps;
  const clusterDNS = parseClusterDns(settings.clusterDNS);
  const hostnameOf = (pod: Pod) => podHostname(pod, settings.clusterDomain);
  const nodeDns = (): DNSConfig =>
    settings.resolverConfig === '' ? { servers: [], searches: [], options: [] } : parseResolvConf(readText(settings.resolverConfig));

  /** The policy's part, before the pod's own dnsConfig. */
  const base = (pod: Pod): DNSConfig => {
    const policy = effectivePolicy(pod);
    if (policy === 'None') return { servers: [], searches: [], options: [] };
    const node = nodeDns();
    if (policy === 'ClusterFirst' && clusterDNS.length > 0) {
      return { servers: clusterDNS, searches: clusterSearches(pod, settings.clusterDomain, node.searches), options: ['ndots:5'] };
    }
    if (policy === 'ClusterFirst') reportMissingClusterDns(pod);
    return settings.resolverConfig === '' ? { servers: loopbackServers(deps.nodeIPs()), searches: ['.'], options: [] } : node;
  };

  const reportMissingClusterDns = (pod: Pod): void => {
    const message =
      'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.';
    const { name, namespace, uid } = pod.metadata;
    events.event(deps.node, 'Warning', 'MissingClusterDNS', message);
    events.event(podReference(pod), 'Warning', 'MissingClusterDNS', `pod: "${name}_${namespace}(${uid})". ${message}`);
  };

  return {
    dnsConfig: (pod) => fitted(merged(base(pod), pod), pod, events),
    hostname: hostnameOf,
    sandboxHostname: (pod) => kernelHostname(pod, hostnameOf(pod)),
    hostsFile: (pod, podIPs) =>
      pod.spec.hostNetwork === true ? hostNetworkHosts(pod, readText(HOSTS_FILE)) : managedHosts(pod, podIPs, hostnameOf(pod)),
    checkLimitsForResolvConf() {
      const complaint = resolvConfComplaint(deps);
      if (complaint !== undefined) events.event(deps.node, 'Warning', 'CheckLimitsForResolvConf', complaint);
    },
  };
}

/** Canonical addresses. @throws InvalidInputError naming the entry that is none */
export function parseClusterDns(entries: readonly string[]): readonly string[] {
  return entries.map((entry, index) => {
    if (isIP(entry) === 0 || entry.includes('%')) {
      throw new InvalidInputError(`clusterDNS[${index}]: expected an IP address, found ${JSON.stringify(entry)}`);
    }
    return ipaddr.process(entry).toString();
  });
}

function effectivePolicy(pod: Pod): 'ClusterFirst' | 'Default' | 'None' {
  switch (pod.spec.dnsPolicy) {
    case 'None':
    case 'Default':
      return pod.spec.dnsPolicy;
    case 'ClusterFirstWithHostNet':
      return 'ClusterFirst';
    default:
      // What an API server lets through besides is ClusterFirst; a manifest's unknown word is treated the same.
      return pod.spec.hostNetwork === true ? 'Default' : 'ClusterFirst';
  }
}

function clusterSearches(pod: Pod, clusterDomain: string, nodeSearches: readonly string[]): readonly string[] {
  if (clusterDomain === '') return nodeSearches;
  return unique([`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain, ...nodeSearches]);
}

/** Without a resolver configuration pods ask their own loopback, which switches name resolution off. */
function loopbackServers(nodeIPs: readonly string[]): readonly string[] {
  const servers = nodeIPs.map((ip) => (isIPv6(ip) ? '::1' : '127.0.0.1'));
  return servers.length > 0 ? servers : ['127.0.0.1'];
}

function merged(config: DNSConfig, pod: Pod): DNSConfig {
  const own = pod.spec.dnsConfig;
  if (own === undefined || own === null) return config;
  const options = (own.options ?? []).map(({ name = '', value }) => (value === undefined || value === '' ? name : `${name}:${value}`));
  return {
    servers: unique([...config.servers, ...(own.nameservers ?? [])]),
    searches: unique([...config.searches, ...(own.searches ?? [])]),
    options: mergeOptions(config.options, options),
  };
}

function fitted(config: DNSConfig, pod: Pod, events: DnsEvents): DNSConfig {
  const warn = (message: string): void => events.event(podReference(pod), 'Warning', 'DNSConfigForming', message);
  const servers = fitServers(config.servers);
  if (servers.omitted) {
    warn(`Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.kept.join(' ')}`);
  }
  const searches = fitSearches(config.searches);
  if (searches.omitted) {
    warn(`Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.kept.join(' ')}`);
  }
  return { servers: servers.kept, searches: searches.kept, options: config.options };
}

/** Why pods will lose search domains of the node's resolver configuration, or that it cannot be read. */
function resolvConfComplaint({ settings, readText }: DnsDeps): string | undefined {
  const file = settings.resolverConfig;
  if (file === '') return undefined;
  let searches: readonly string[];
  try {
    searches = parseResolvConf(readText(file)).searches;
  } catch (error) {
    return errorMessage(error);
  }
  const room = settings.clusterDomain === '' ? MAX_SEARCHES : MAX_SEARCHES - CLUSTER_SEARCHES;
  if (searches.length > room) return `Resolv.conf file '${file}' contains search line consisting of more than ${room} domains!`;
  if (searches.some((domain) => domain.length > MAX_SEARCH)) {
    return `Resolv.conf file "${file}" contains a search path which length is more than allowed ${MAX_SEARCH} chars!`;
  }
  if (searches.join(' ').length > MAX_SEARCH_LINE) {
    return `Resolv.conf file '${file}' contains search line which length is more than allowed ${MAX_SEARCH_LINE} chars!`;
  }
  return undefined;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
