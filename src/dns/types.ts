/** What dns/ promises and what it needs. */
import type { ObjectReference, Pod } from '../api/types.ts';
import type { DNSConfig } from '../runtime/types.ts';

export interface DnsSettings {
  /** KubeletConfiguration `clusterDNS`. */
  readonly clusterDNS: readonly string[];
  /** KubeletConfiguration `clusterDomain`; empty: no cluster search domains. */
  readonly clusterDomain: string;
  /** KubeletConfiguration `resolvConf`; empty: pods get the resolver of their own loopback. */
  readonly resolverConfig: string;
}

export interface DnsEvents {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface DnsDeps {
  readonly settings: DnsSettings;
  readonly events: DnsEvents;
  readonly node: ObjectReference;
  /** The node's addresses, as known now. */
  readonly nodeIPs: () => readonly string[];
  /** Reads a small text file of the host: the resolver configuration and /etc/hosts. @throws the file system's error */
  readonly readText: (path: string) => string;
}

export interface DnsConfigurer {
  /**
   * Name servers, search domains and options of the pod, cut to the limits (3 servers, 32 domains, 2048 characters) with a
   * DNSConfigForming event. @throws Error when the node's resolver configuration cannot be read
   */
  dnsConfig(pod: Pod): DNSConfig;
  /** Short host name (63 characters at most) and DNS domain (empty: none). @throws InvalidInputError for names that are no DNS names */
  hostname(pod: Pod): { readonly hostname: string; readonly domain: string };
  /** What the kernel of the sandbox is told: the FQDN when the pod asks for it. @throws InvalidInputError beyond 64 characters */
  sandboxHostname(pod: Pod): string;
  /** Content of the managed /etc/hosts. @throws the file system's error with host networking */
  hostsFile(pod: Pod, podIPs: readonly string[]): string;
  /** At start: records a CheckLimitsForResolvConf event on the node when its resolver configuration leaves too little room. */
  checkLimitsForResolvConf(): void;
}
