/** What sandboxes, containers, images and the runtime say of themselves (see types.ts for the conventions). */
import type {
  ContainerMetadata,
  ImageSpec,
  LinuxContainerResources,
  Mount,
  NamespaceOptions,
  PodSandboxMetadata,
  StringMap,
} from './config-messages.ts';

export type PodSandboxState = 'ready' | 'notready';
export type ContainerState = 'created' | 'running' | 'exited' | 'unknown';

export interface PodSandbox {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAt: bigint;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly runtimeHandler: string;
}

export interface PodSandboxStatus {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAt: bigint;
  /** The first is the primary; empty with host networking. */
  readonly ips: readonly string[];
  readonly namespaceOptions: NamespaceOptions;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly runtimeHandler: string;
}

export interface Container {
  readonly id: string;
  readonly podSandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly image: ImageSpec;
  readonly imageRef: string;
  readonly imageId: string;
  readonly state: ContainerState;
  readonly createdAt: bigint;
  readonly labels: StringMap;
  readonly annotations: StringMap;
}

export interface LinuxContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly supplementalGroups: readonly number[];
}

export interface ContainerStatus {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly state: ContainerState;
  readonly createdAt: bigint;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  /** Meaningful only when `state` is `exited`. */
  readonly exitCode: number;
  /** `image.userSpecifiedImage` or the reference it was created from. */
  readonly image: ImageSpec;
  /** A repository digest where there is one, else the image id. */
  readonly imageRef: string;
  readonly imageId: string;
  /** `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, or empty. */
  readonly reason: string;
  readonly message: string;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly mounts: readonly Mount[];
  /** Absolute path on the host. */
  readonly logPath: string;
  readonly resources?: LinuxContainerResources;
  readonly user?: LinuxContainerUser;
  readonly stopSignal?: string;
}

export interface PodSandboxFilter {
  readonly id?: string;
  readonly state?: PodSandboxState;
  readonly labelSelector?: StringMap;
}

export interface ContainerFilter {
  readonly id?: string;
  readonly state?: ContainerState;
  readonly podSandboxId?: string;
  readonly labelSelector?: StringMap;
}

export interface ExecSyncResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly exitCode: number;
}

export interface ExecRequest {
  readonly containerId: string;
  readonly cmd: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface AttachRequest {
  readonly containerId: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface PortForwardRequest {
  readonly podSandboxId: string;
  readonly ports: readonly number[];
}

/** A one-use URL on the runtime's streaming server. */
export interface StreamingUrl {
  readonly url: string;
}

export type ContainerEventType = 'created' | 'started' | 'stopped' | 'deleted';

/** Something happened to a container (or to a sandbox, whose id is then `containerId`). */
export interface ContainerEvent {
  readonly containerId: string;
  readonly type: ContainerEventType;
  readonly createdAt: bigint;
  /** Absent only when nothing is known of the sandbox any more. */
  readonly podSandboxStatus?: PodSandboxStatus;
  /** Every container of the sandbox that still exists, the dead included. */
  readonly containersStatuses: readonly ContainerStatus[];
}

/**
 * What the event stream yields. `resync` comes first after every (re)connection to the engine: events may have been lost
 * before it, and the listener must list everything once.
 */
export type ContainerEventMessage = { readonly kind: 'resync' } | { readonly kind: 'event'; readonly event: ContainerEvent };

export interface RuntimeCondition {
  /** `RuntimeReady` or `NetworkReady` (a runtime may add its own). */
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface RuntimeHandler {
  /** Empty is the default handler. */
  readonly name: string;
  readonly features: { readonly recursiveReadOnlyMounts: boolean; readonly userNamespaces: boolean };
}

export interface RuntimeStatus {
  readonly conditions: readonly RuntimeCondition[];
  readonly runtimeHandlers: readonly RuntimeHandler[];
  readonly features: { readonly supplementalGroupsPolicy: boolean; readonly userNamespacesHostNetwork?: boolean };
  /** Free-form, only when asked for verbosely. */
  readonly info?: StringMap;
}

export interface VersionInfo {
  readonly version: string;
  readonly runtimeName: string;
  readonly runtimeVersion: string;
  readonly runtimeApiVersion: string;
}

export interface CpuUsage {
  readonly timestamp: bigint;
  /** Cumulative over all cores. */
  readonly usageCoreNanoSeconds?: bigint;
  readonly usageNanoCores?: bigint;
}

export interface MemoryUsage {
  readonly timestamp: bigint;
  readonly workingSetBytes?: bigint;
  readonly availableBytes?: bigint;
  readonly usageBytes?: bigint;
  readonly rssBytes?: bigint;
  readonly pageFaults?: bigint;
  readonly majorPageFaults?: bigint;
}

export interface FilesystemUsage {
  readonly timestamp: bigint;
  readonly mountpoint: string;
  readonly usedBytes?: bigint;
  readonly inodesUsed?: bigint;
}

export interface ContainerStats {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
  readonly writableLayer?: FilesystemUsage;
}

export interface ContainerStatsFilter {
  readonly id?: string;
  readonly podSandboxId?: string;
  readonly labelSelector?: StringMap;
}

export interface Image {
  /** Content id (`sha256:…`). */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** The image's default user: exactly one of these, or neither when it names none (root). */
  readonly uid?: number;
  readonly username?: string;
  readonly pinned: boolean;
  /** Images mounted as volumes count as used. */
  readonly spec: ImageSpec;
}

export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly serverAddress?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}
