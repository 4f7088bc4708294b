/** Ports of the host that pods claim (scheduler framework types.go HostPortInfo). */
import type { Pod } from '../../api/types.ts';
import { isSidecar } from '../pod-view.ts';

interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const EVERY_ADDRESS = '0.0.0.0';

/** Whether one of the pod's host ports is another's already: same protocol and port, and the same address or one of them meaning all. */
export function conflictsOnHostPorts(pod: Pod, others: readonly Pod[]): boolean {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return false;
  const taken = others.flatMap(hostPorts);
  return wanted.some((want) =>
    taken.some(
      ({ ip, protocol, port }) =>
        port === want.port && protocol === want.protocol && (ip === want.ip || ip === EVERY_ADDRESS || want.ip === EVERY_ADDRESS),
    ),
  );
}

function hostPorts(pod: Pod): HostPort[] {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)];
  return containers
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort }) => hostPort !== undefined && hostPort > 0)
    .map(({ hostIP, protocol, hostPort }) => ({
      ip: hostIP === undefined || hostIP === '' || hostIP === '::' ? EVERY_ADDRESS : hostIP,
      protocol: protocol ?? 'TCP',
      port: hostPort ?? 0,
    }));
}
