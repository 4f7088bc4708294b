/** What the API server would fill in, for pods that never pass it (kubernetes pkg/apis/core/v1/defaults.go). */
import type { ContainerSpec, PodSpec, ProbeSpec, VolumeSpec } from '../../api/types.ts';

/** The spec with the defaults that the agent's behaviour depends on. */
export function withDefaults(spec: PodSpec): PodSpec {
  const hostNetwork = spec.hostNetwork === true;
  const containers = (list: readonly ContainerSpec[]): ContainerSpec[] =>
    list.map((container) => containerDefaults(container, hostNetwork));
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    enableServiceLinks: true,
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...spec,
    containers: containers(spec.containers),
    ...(spec.initContainers === undefined ? {} : { initContainers: containers(spec.initContainers) }),
    ...(spec.volumes === undefined ? {} : { volumes: spec.volumes.map(volumeDefaults) }),
  };
}

function containerDefaults(container: ContainerSpec, hostNetwork: boolean): ContainerSpec {
  const { livenessProbe, readinessProbe, startupProbe, ports, resources, env } = container;
  const probes = { livenessProbe, readinessProbe, startupProbe };
  return {
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: defaultPullPolicy(container.image ?? ''),
    ...container,
    resources: { ...resources, ...(resources?.limits === undefined ? {} : { requests: { ...resources.limits, ...resources.requests } }) },
    ...(ports === undefined
      ? {}
      : { ports: ports.map((port) => ({ protocol: 'TCP', ...port, ...(hostNetwork ? { hostPort: port.containerPort } : {}) })) }),
    ...(env === undefined ? {} : { env: env.map(envDefaults) }),
    ...Object.fromEntries(Object.entries(probes).flatMap(([field, probe]) => (probe === undefined ? [] : [[field, probeDefaults(probe)]]))),
  };
}

/** A tag that names a version is taken to stay what it is. */
function defaultPullPolicy(image: string): string {
  if (image.includes('@')) return 'IfNotPresent';
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function envDefaults(entry: NonNullable<ContainerSpec['env']>[number]): NonNullable<ContainerSpec['env']>[number] {
  const fieldRef = entry.valueFrom?.fieldRef;
  return fieldRef === undefined ? entry : { ...entry, valueFrom: { ...entry.valueFrom, fieldRef: { apiVersion: 'v1', ...fieldRef } } };
}

function probeDefaults(probe: ProbeSpec): ProbeSpec {
  return {
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
    ...probe,
    ...(probe.httpGet === undefined ? {} : { httpGet: { path: '/', scheme: 'HTTP', ...probe.httpGet } }),
  };
}

const DEFAULT_MODE = 0o644;

function volumeDefaults(volume: VolumeSpec): VolumeSpec {
  const { hostPath, downwardAPI, projected } = volume;
  if (hostPath !== undefined) return { ...volume, hostPath: { type: '', ...hostPath } };
  if (downwardAPI !== undefined) return { ...volume, downwardAPI: { defaultMode: DEFAULT_MODE, ...downwardAPI } };
  if (projected !== undefined) return { ...volume, projected: { defaultMode: DEFAULT_MODE, ...projected } };
  return Object.keys(volume).length === 1 ? { ...volume, emptyDir: {} } : volume;
}
