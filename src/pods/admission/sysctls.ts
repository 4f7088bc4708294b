/** Kernel parameters a pod may set (kubelet pkg/kubelet/sysctl/allowlist.go, safe_sysctls.go). */
import type { Pod } from '../../api/types.ts';

/** Namespaced and without influence on other pods; every kernel since 5.15 has them so. */
const SAFE_SYSCTLS: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'net.ipv4.tcp_slow_start_after_idle',
  'net.ipv4.tcp_notsent_lowat',
];

type Namespace = 'IPC' | 'Net' | 'User';

/** What is wrong with the pod's sysctls; `undefined`: nothing. `allowed`: further names, or patterns that end in `*`. */
export function forbiddenSysctl(pod: Pod, allowed: readonly string[]): string | undefined {
  const patterns = [...SAFE_SYSCTLS, ...allowed.map(normalized)];
  const host: Readonly<Record<Namespace, boolean>> = {
    IPC: pod.spec.hostIPC === true,
    Net: pod.spec.hostNetwork === true,
    User: pod.spec.hostUsers !== false,
  };
  for (const { name: given } of pod.spec.securityContext?.sysctls ?? []) {
    const name = normalized(given);
    if (!patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))) {
      return `${JSON.stringify(name)} not allowlisted`;
    }
    const namespace = namespaceOf(name);
    if (namespace !== undefined && host[namespace]) return `${JSON.stringify(name)} not allowed with host ${namespace} enabled`;
  }
  return undefined;
}

function namespaceOf(name: string): Namespace | undefined {
  if (name.startsWith('net.')) return 'Net';
  if (name.startsWith('user.')) return 'User';
  return /^(kernel\.(sem$|shm|msg)|fs\.mqueue\.)/.test(name) ? 'IPC' : undefined;
}

/** Dots between the parts; a dot inside a part (an interface's name) is written as a slash (component-helpers node/util/sysctl). */
function normalized(name: string): string {
  const firstSeparator = /[./]/.exec(name)?.[0];
  if (firstSeparator !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'));
}
