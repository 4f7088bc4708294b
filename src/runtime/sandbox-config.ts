/** A pod as the sandbox that the runtime is asked for (kubelet pkg/kubelet/kuberuntime/kuberuntime_sandbox.go). */
import type { AnyContainerSpec, Pod } from '../api/types.ts';
import { UnimplementedError } from '../lib/errors.ts';
import { isIPv6 } from 'node:net';
import { sandboxLabels } from './labels.ts';
import { sandboxSecurityContext } from './security-context.ts';
import type { DNSConfig, PodSandboxConfig, PortMapping } from './types.ts';

export interface SandboxInput {
  readonly pod: Pod;
  readonly attempt: number;
  /** Empty with host networking. */
  readonly hostname: string;
  readonly dnsConfig: DNSConfig | undefined;
  readonly logDirectory: string;
  readonly cgroupParent: string;
}

/** @throws UnimplementedError for a pod that asks for a user namespace of its own */
export function sandboxConfig({ pod, attempt, hostname, dnsConfig, logDirectory, cgroupParent }: SandboxInput): PodSandboxConfig {
  if (pod.spec.hostUsers === false) {
    throw new UnimplementedError('spec.hostUsers is false, but this node has no user namespaces for pods');
  }
  const { name, namespace, uid } = pod.metadata;
  return {
    metadata: { name, namespace, uid, attempt },
    hostname,
    logDirectory,
    ...(dnsConfig === undefined ? {} : { dnsConfig }),
    portMappings: pod.spec.containers.flatMap(portMappings),
    labels: sandboxLabels(pod),
    annotations: pod.metadata.annotations ?? {},
    linux: { cgroupParent, securityContext: sandboxSecurityContext(pod), sysctls: sysctls(pod) },
  };
}

/** The container's ports; of two that are the same to the runtime the first counts (kubelet container/helpers.go MakePortMappings). */
function portMappings(container: AnyContainerSpec): PortMapping[] {
  const seen = new Set<string>();
  const mappings: PortMapping[] = [];
  for (const { name, containerPort, hostPort = 0, hostIP = '', protocol = 'TCP' } of container.ports ?? []) {
    const family = hostIP === '' ? 'any' : isIPv6(hostIP) ? 'v6' : 'v4';
    const key = name !== undefined && name !== '' ? name : `${family}-${protocol}-${hostIP}:${containerPort}:${hostPort}`;
    if (seen.has(key)) continue;
    seen.add(key);
    mappings.push({ protocol: protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP', containerPort, hostPort, hostIp: hostIP });
  }
  return mappings;
}

function sysctls(pod: Pod): Record<string, string> {
  return Object.fromEntries((pod.spec.securityContext?.sysctls ?? []).map(({ name, value }) => [normalizeSysctl(name), value]));
}

/** Runtimes want dots; in a name that is written with slashes the two change places (component-helpers sysctl NormalizeName). */
function normalizeSysctl(name: string): string {
  if (/[./]/.exec(name)?.[0] !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'));
}
