/** Small valid objects for this room's tests. */
import type { ContainerSpec, Pod, PodSpec } from '../../api/types.ts';
import { containerLabels, sandboxLabels } from '../labels.ts';
import type { ContainerConfig, PodSandboxConfig } from '../types.ts';

export function makePod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-1', ...metadata },
    spec: { containers: [{ name: 'main', image: 'nginx:1' }], enableServiceLinks: true, terminationGracePeriodSeconds: 30, ...spec },
  };
}

export function makeSandboxConfig(pod: Pod = makePod(), attempt = 0): PodSandboxConfig {
  const { name, namespace, uid } = pod.metadata;
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: name,
    logDirectory: `/logs/${uid}`,
    portMappings: [],
    labels: sandboxLabels(pod),
    annotations: {},
    linux: { cgroupParent: '', securityContext: { namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' } }, sysctls: {} },
  };
}

export function makeContainerConfig(
  pod: Pod = makePod(),
  container: ContainerSpec = { name: 'main', image: 'nginx:1' },
  attempt = 0,
): ContainerConfig {
  return {
    metadata: { name: container.name, attempt },
    image: { image: container.image ?? '' },
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    mounts: [],
    devices: [],
    labels: containerLabels(pod, container),
    annotations: {},
    logPath: `${container.name}/${attempt}.log`,
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { securityContext: { namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' } } },
  };
}

/** Counts calls of some methods of an object without changing what they do. */
export function countCalls<T extends object>(object: T, names: readonly (keyof T & string)[]): Record<string, number> {
  const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  for (const name of names) {
    const original: unknown = object[name];
    if (typeof original !== 'function') throw new Error(`${name} is not a method`);
    Object.defineProperty(object, name, {
      value: (...args: unknown[]): unknown => {
        counts[name] = (counts[name] ?? 0) + 1;
        return Reflect.apply(original, object, args);
      },
    });
  }
  return counts;
}
