/** A container as the runtime is asked to create it (kubelet pkg/kubelet/kuberuntime/kuberuntime_container.go generateContainerConfig). */
import type { AnyContainerSpec, Pod } from '../api/types.ts';
import { expand, lookupIn } from './expansion.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import type { ContainerConfig, LinuxContainerResources, LinuxContainerSecurityContext, Mount } from './types.ts';

export interface ContainerInput {
  readonly pod: Pod;
  readonly container: AnyContainerSpec;
  readonly attempt: number;
  /** What the image service resolved. */
  readonly imageId: string;
  readonly runtimeHandler: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly securityContext: LinuxContainerSecurityContext;
  readonly resources: LinuxContainerResources;
}

export function containerConfig(input: ContainerInput): ContainerConfig {
  const { pod, container, attempt, environment } = input;
  const lookup = lookupIn(environment);
  const stopSignal = container.lifecycle?.stopSignal;
  return {
    metadata: { name: container.name, attempt },
    image: {
      image: input.imageId,
      userSpecifiedImage: container.image ?? '',
      ...(input.runtimeHandler === '' ? {} : { runtimeHandler: input.runtimeHandler }),
    },
    command: (container.command ?? []).map((word) => expand(word, lookup)),
    args: (container.args ?? []).map((word) => expand(word, lookup)),
    workingDir: container.workingDir ?? '',
    envs: [...environment].map(([key, value]) => ({ key, value })),
    mounts: input.mounts,
    devices: [],
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, attempt),
    logPath: containerLogPath(container.name, attempt),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    ...(stopSignal === undefined ? {} : { stopSignal }),
    linux: { resources: input.resources, securityContext: input.securityContext },
  };
}

/** Relative to the pod's log directory. */
export function containerLogPath(containerName: string, attempt: number): string {
  return `${containerName}/${attempt}.log`;
}
