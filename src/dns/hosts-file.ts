/** Content of the /etc/hosts that containers get (kubelet pkg/kubelet/kubelet_pods.go). */
import type { Pod } from '../api/types.ts';
import type { PodHostname } from './hostname.ts';

const HEADER = '# Kubernetes-managed hosts file.\n';
const HEADER_HOST_NETWORK = '# Kubernetes-managed hosts file (host network).\n';

/** The lines every pod has; the IPv6 names are the kubelet's, odd prefixes included, because tests compare them. */
const LOCAL_NAMES = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** For a pod with an address of its own: one line an address. */
export function managedHosts(pod: Pod, podIPs: readonly string[], { hostname, domain }: PodHostname): string {
  const names = domain === '' ? hostname : `${hostname}.${domain}\t${hostname}`;
  const lines = [...LOCAL_NAMES, ...podIPs.map((ip) => `${ip}\t${names}`)];
  return `${HEADER}${lines.join('\n')}\n${hostAliasLines(pod)}`;
}

/** For a pod with host networking: the host's own file. */
export function hostNetworkHosts(pod: Pod, hostsOfNode: string): string {
  return `${HEADER_HOST_NETWORK}${hostsOfNode}${hostAliasLines(pod)}`;
}

function hostAliasLines(pod: Pod): string {
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length === 0) return '';
  const lines = aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  return `\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}
