/**
 * The container runtime as the agent sees it: CRI v1's verbs, fields and meanings as TypeScript interfaces
 * (source: k8s.io/cri-api pkg/apis/runtime/v1/api.proto). Every implementation (DockerService in process, the gRPC client,
 * the in-memory runtime) is held to the same contract suite in test/contract/.
 *
 * Conventions, valid for every type in this file:
 * - Timestamps are nanoseconds since the Unix epoch as `bigint`; 0n means "has not happened".
 * - Durations name their unit. Sizes are bytes. CPU is in the unit the field names.
 * - An absent optional field means what the proto's zero value means.
 * - Every call takes an AbortSignal last. An abort rejects with the signal's reason; the runtime may still finish the work.
 * - Errors are the classes of lib/errors.ts (NotFoundError, AlreadyExistsError, InvalidInputError, FailedPreconditionError,
 *   DeadlineExceededError, UnavailableError, UnimplementedError), which map one to one to gRPC status codes.
 * - Arguments must not be changed by the implementation; answers belong to the caller.
 */

import type { ContainerConfig, ImageSpec, LinuxContainerResources, PodSandboxConfig } from './config-messages.ts';
import type {
  AttachRequest,
  AuthConfig,
  Container,
  ContainerEventMessage,
  ContainerFilter,
  ContainerStats,
  ContainerStatsFilter,
  ContainerStatus,
  ExecRequest,
  ExecSyncResult,
  FilesystemUsage,
  Image,
  PodSandbox,
  PodSandboxFilter,
  PodSandboxStatus,
  PortForwardRequest,
  RuntimeStatus,
  StreamingUrl,
  VersionInfo,
} from './status-messages.ts';

export type * from './config-messages.ts';
export type * from './status-messages.ts';

/** The runtime's verbs (proto service RuntimeService). Stop and remove verbs are idempotent: an object that is gone is success. */
export interface RuntimeService {
  version(signal: AbortSignal): Promise<VersionInfo>;
  status(options: { readonly verbose?: boolean }, signal: AbortSignal): Promise<RuntimeStatus>;

  /** Creates and starts a sandbox with its network; answers its id. On failure nothing of it stays behind except its record. */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string>;
  /** Kills what runs in it and takes its network down. */
  stopPodSandbox(podSandboxId: string, signal: AbortSignal): Promise<void>;
  removePodSandbox(podSandboxId: string, signal: AbortSignal): Promise<void>;
  /** @throws NotFoundError */
  podSandboxStatus(podSandboxId: string, signal: AbortSignal): Promise<PodSandboxStatus>;
  listPodSandbox(filter: PodSandboxFilter, signal: AbortSignal): Promise<PodSandbox[]>;

  /** Answers the container's id. @throws NotFoundError when the sandbox or image does not exist */
  createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig, signal: AbortSignal): Promise<string>;
  startContainer(containerId: string, signal: AbortSignal): Promise<void>;
  /** Sends the stop signal, waits up to `timeoutSeconds`, then SIGKILL; resolves when it is dead. 0 kills at once. */
  stopContainer(containerId: string, timeoutSeconds: number, signal: AbortSignal): Promise<void>;
  /** Kills it first if it runs. */
  removeContainer(containerId: string, signal: AbortSignal): Promise<void>;
  listContainers(filter: ContainerFilter, signal: AbortSignal): Promise<Container[]>;
  /** @throws NotFoundError */
  containerStatus(containerId: string, signal: AbortSignal): Promise<ContainerStatus>;
  updateContainerResources(containerId: string, resources: LinuxContainerResources, signal: AbortSignal): Promise<void>;
  reopenContainerLog(containerId: string, signal: AbortSignal): Promise<void>;

  /** `timeoutSeconds` 0 means none. @throws DeadlineExceededError when the command ran longer (it is killed) */
  execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number, signal: AbortSignal): Promise<ExecSyncResult>;
  exec(request: ExecRequest, signal: AbortSignal): Promise<StreamingUrl>;
  attach(request: AttachRequest, signal: AbortSignal): Promise<StreamingUrl>;
  portForward(request: PortForwardRequest, signal: AbortSignal): Promise<StreamingUrl>;

  listContainerStats(filter: ContainerStatsFilter, signal: AbortSignal): Promise<ContainerStats[]>;
  updateRuntimeConfig(config: { readonly podCidr: string }, signal: AbortSignal): Promise<void>;
  /** The cgroup driver the engine uses. */
  runtimeConfig(signal: AbortSignal): Promise<{ readonly cgroupDriver: 'cgroupfs' | 'systemd' }>;

  /**
   * Yields for ever until aborted, reconnecting to the engine by itself; see {@link ContainerEventMessage}.
   * A runtime without events throws UnimplementedError at the first step: the PLEG then relists.
   */
  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEventMessage>;

  /**
   * Optional extension, not in CRI: creates the sandbox without starting it, so that containers can be created while it
   * starts. `started` must be called exactly once and resolves when the sandbox runs with its network.
   */
  prepareSandbox?(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<PreparedSandbox>;
}

export interface PreparedSandbox {
  readonly id: string;
  start(signal: AbortSignal): Promise<void>;
}

/** The image verbs (proto service ImageService). */
export interface ImageService {
  listImages(filter: { readonly image?: string }, signal: AbortSignal): Promise<Image[]>;
  /** `undefined` when it is not present. */
  imageStatus(image: ImageSpec, signal: AbortSignal): Promise<Image | undefined>;
  /** Answers the image's id. `sandboxConfig` lets a runtime apply pod-level settings. */
  pullImage(
    image: ImageSpec,
    auth: AuthConfig | undefined,
    sandboxConfig: PodSandboxConfig | undefined,
    signal: AbortSignal,
  ): Promise<string>;
  /** Success when it is already gone. */
  removeImage(image: ImageSpec, signal: AbortSignal): Promise<void>;
  /** Of the file system(s) that really hold images. */
  imageFsInfo(
    signal: AbortSignal,
  ): Promise<{ readonly imageFilesystems: readonly FilesystemUsage[]; readonly containerFilesystems: readonly FilesystemUsage[] }>;
}

/**
 * Optional, beside RuntimeService: reads a container's log through the engine where the engine's log files are not on this
 * machine. Yields raw json-file lines, oldest first.
 */
export interface LogSource {
  readLog(
    containerId: string,
    options: { readonly follow: boolean; readonly sinceNs?: bigint },
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
}
