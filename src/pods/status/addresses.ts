/** The pod's and its host's addresses (kubelet kubelet_pods.go sortPodIPs, generateAPIPodStatus). */
import { isIPv6 } from 'node:net';
import type { PodStatus } from '../../api/types.ts';
import type { PodStatusInput } from './types.ts';

type Addresses = Pick<PodStatus, 'hostIP' | 'hostIPs' | 'podIP' | 'podIPs'>;

/** Fields of the status; absent ones are left out. */
export function addresses(input: PodStatusInput): Addresses {
  const { hostIPs } = input;
  const podIPs = podAddresses(input);
  const [hostIP] = hostIPs;
  const [podIP] = podIPs;
  return {
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: hostIPs.slice(0, 2).map((ip) => ({ ip })) }),
    ...(podIP === undefined ? {} : { podIP, podIPs: podIPs.map((ip) => ({ ip })) }),
  };
}

function podAddresses({ pod, observed, previous, hostIPs }: PodStatusInput): string[] {
  const before = (previous?.podIPs ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
  if (pod.spec.hostNetwork === true) return before.length > 0 ? withSecondFamily(before, hostIPs) : [...hostIPs.slice(0, 2)];
  const newest = observed?.sandboxes[0];
  // A stopped sandbox has no address any more; the pod keeps the one it had.
  return newest?.state === 'ready' ? byFamily(newest.ips, hostIPs[0]) : before;
}

/** One address of each family, that of the node's first. */
function byFamily(ips: readonly string[], hostIP: string | undefined): string[] {
  const primaryIsV6 = hostIP !== undefined && isIPv6(hostIP);
  const first = ips.find((ip) => isIPv6(ip) === primaryIsV6);
  const second = ips.find((ip) => isIPv6(ip) !== primaryIsV6);
  return [first, second].filter((ip) => ip !== undefined);
}

/** Addresses once reported stay; a node that has become dual-stack adds one. */
function withSecondFamily(before: readonly string[], hostIPs: readonly string[]): string[] {
  const second = hostIPs[1];
  const [first] = before;
  if (before.length !== 1 || first === undefined || second === undefined || isIPv6(first) === isIPv6(second)) return [...before];
  return [first, second];
}
