/** Environment variables that name the services of a namespace (upstream kubelet pkg/kubelet/envvars/envvars.go). */
import { isIPv6 } from 'node:net';
import type { Service } from '../api/types.ts';

/** The API server's own service: its variables are given to every pod. */
const MASTER_SERVICE = { namespace: 'default', name: 'kubernetes' } as const;

/**
 * Variables of every service with a cluster IP that pods of `namespace` see. A service of the pod's own namespace hides the
 * default namespace's of the same name; with `enableServiceLinks` false only the API server's is there.
 */
export function serviceEnvironment(services: readonly Service[], namespace: string, enableServiceLinks: boolean): Map<string, string> {
  const visible = new Map<string, Service>();
  for (const service of services) {
    if (!hasClusterIP(service)) continue;
    const name = service.metadata?.name ?? '';
    const isMaster = service.metadata?.namespace === MASTER_SERVICE.namespace && name === MASTER_SERVICE.name;
    if (isMaster) {
      if (!visible.has(name)) visible.set(name, service);
    } else if (service.metadata?.namespace === namespace && enableServiceLinks) {
      visible.set(name, service);
    }
  }
  return new Map([...visible.values()].flatMap(variablesOf));
}

function hasClusterIP(service: Service): boolean {
  const address = service.spec?.clusterIP;
  return address !== undefined && address !== '' && address !== 'None';
}

function variablesOf(service: Service): [string, string][] {
  const prefix = variableName(service.metadata?.name ?? '');
  const address = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  const variables: [string, string][] = [[`${prefix}_SERVICE_HOST`, address]];
  const [first] = ports;
  if (first) variables.push([`${prefix}_SERVICE_PORT`, String(first.port)]);
  for (const { name, port } of ports) {
    if (name !== undefined && name !== '') variables.push([`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port)]);
  }
  ports.forEach(({ port, protocol = 'TCP' }, index) => {
    const url = `${protocol.toLowerCase()}://${isIPv6(address) ? `[${address}]` : address}:${port}`;
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    if (index === 0) variables.push([`${prefix}_PORT`, url]);
    variables.push([name, url], [`${name}_PROTO`, protocol.toLowerCase()], [`${name}_PORT`, String(port)], [`${name}_ADDR`, address]);
  });
  return variables;
}

function variableName(text: string): string {
  return text.replaceAll('-', '_').toUpperCase();
}
