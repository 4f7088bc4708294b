/** What the in-memory runtime keeps, and how it looks from outside. */
import type {
  Container,
  ContainerConfig,
  ContainerState,
  ContainerStatus,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxState,
  PodSandboxStatus,
  StringMap,
} from '../types.ts';

export interface SandboxRecord {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly runtimeHandler: string;
  readonly createdAt: bigint;
  state: PodSandboxState;
  ips: readonly string[];
}

export interface ContainerRecord {
  readonly id: string;
  readonly sandbox: SandboxRecord;
  readonly config: ContainerConfig;
  readonly createdAt: bigint;
  readonly imageRef: string;
  state: ContainerState;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  reason: string;
  message: string;
  resources: LinuxContainerResources | undefined;
  /** Resolves with the exit. */
  readonly exited: PromiseWithResolvers<void>;
}

export function sandboxSummary({ id, config, state, createdAt, runtimeHandler }: SandboxRecord): PodSandbox {
  const { metadata, labels, annotations } = config;
  return { id, metadata, state, createdAt, labels, annotations, runtimeHandler };
}

export function sandboxStatus(sandbox: SandboxRecord): PodSandboxStatus {
  const { namespaceOptions } = sandbox.config.linux.securityContext;
  return { ...sandboxSummary(sandbox), ips: sandbox.ips, namespaceOptions };
}

export function containerSummary({ id, sandbox, config, imageRef, state, createdAt }: ContainerRecord): Container {
  const { metadata, image, labels, annotations } = config;
  return { id, podSandboxId: sandbox.id, metadata, image, imageRef, imageId: image.image, state, createdAt, labels, annotations };
}

export function containerStatus(container: ContainerRecord): ContainerStatus {
  const { id, sandbox, config, imageRef, state, createdAt, startedAt, finishedAt, exitCode, reason, message, resources } = container;
  return {
    id,
    metadata: config.metadata,
    state,
    createdAt,
    startedAt,
    finishedAt,
    exitCode,
    image: { ...config.image, image: config.image.userSpecifiedImage ?? config.image.image },
    imageRef,
    imageId: config.image.image,
    reason,
    message,
    labels: config.labels,
    annotations: config.annotations,
    mounts: config.mounts,
    logPath: config.logPath === '' ? '' : `${sandbox.config.logDirectory}/${config.logPath}`,
    ...(resources === undefined ? {} : { resources }),
  };
}

/** Whether every label of the selector is there. */
export function hasLabels(labels: StringMap, selector: StringMap | undefined): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}
