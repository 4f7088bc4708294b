/**
 * Docker Engine as the dockershim sees it: some twenty verbs and only the fields that are used. `docker-client.ts` implements it on
 * dockerode. Errors are those of lib/errors.ts with the engine's own message kept; every call has a deadline that names it.
 */
import type { Duplex } from 'node:stream';

export interface DockerEngine {
  /** For messages. */
  readonly endpoint: string;
  /** Finds out which API version to speak; call first, and again after the connection was lost. @throws FailedPreconditionError */
  negotiate(signal: AbortSignal): Promise<EngineVersion>;
  info(signal: AbortSignal): Promise<EngineInfo>;
  /** Resolves once the engine has accepted the subscription; the events end with the connection or the abort. */
  events(label: string, signal: AbortSignal): Promise<AsyncIterable<EngineEvent>>;

  /** Of every container with this `key=value` label, whatever its state. */
  listContainers(label: string, signal: AbortSignal): Promise<ContainerSummary[]>;
  /** @throws NotFoundError */
  inspectContainer(id: string, signal: AbortSignal): Promise<ContainerInspection>;
  /** Answers the id. @throws NotFoundError when the image is absent, AlreadyExistsError when the name is taken */
  createContainer(name: string, spec: ContainerSpec, signal: AbortSignal): Promise<string>;
  /** Success when it runs already. */
  startContainer(id: string, signal: AbortSignal): Promise<void>;
  /** Stop signal, grace, SIGKILL; success when it does not run. */
  stopContainer(id: string, graceSeconds: number, signal: AbortSignal): Promise<void>;
  /** SIGKILL, and waits for the end; success when it does not run. */
  killContainer(id: string, signal: AbortSignal): Promise<void>;
  /** With its anonymous volumes. Success when it is gone. `force` kills it first. */
  removeContainer(id: string, options: { readonly force: boolean }, signal: AbortSignal): Promise<void>;
  updateContainer(id: string, resources: EngineResources, signal: AbortSignal): Promise<void>;
  /** Standard streams of the main process; the deadline covers only the opening. */
  attachContainer(id: string, streams: EngineStreams, signal: AbortSignal): Promise<Duplex>;
  resizeContainer(id: string, size: { readonly width: number; readonly height: number }, signal: AbortSignal): Promise<void>;

  createExec(containerId: string, spec: ExecSpec, signal: AbortSignal): Promise<string>;
  startExec(execId: string, options: { readonly tty: boolean }, signal: AbortSignal): Promise<Duplex>;
  inspectExec(execId: string, signal: AbortSignal): Promise<ExecInspection>;
  resizeExec(execId: string, size: { readonly width: number; readonly height: number }, signal: AbortSignal): Promise<void>;

  listImages(reference: string | undefined, signal: AbortSignal): Promise<EngineImage[]>;
  /** By reference or id. @throws NotFoundError */
  inspectImage(reference: string, signal: AbortSignal): Promise<EngineImage>;
  /** Has no deadline of its own: the caller watches `onProgress`, called for each message of the engine. */
  pullImage(
    reference: string,
    auth: RegistryAuth | undefined,
    onProgress: (message: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Makes an image of a tar archive with a root file system; `changes` are Dockerfile instructions. */
  importImage(archive: Uint8Array, reference: string, changes: readonly string[], signal: AbortSignal): Promise<void>;
  /** Removes one reference, and the image with its last. Success when it is gone. @throws FailedPreconditionError when it is used */
  removeImage(reference: string, signal: AbortSignal): Promise<void>;
}

export interface EngineVersion {
  /** Of the engine, for example `20.10.24`. */
  readonly version: string;
  /** What both sides speak, for example `1.41`. */
  readonly apiVersion: string;
}

export interface EngineInfo {
  readonly rootDirectory: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: string;
  readonly storageDriver: string;
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
  readonly securityOptions: readonly string[];
  /** As `uname -m` says it. */
  readonly architecture: string;
}

/** The events that change what an inspection tells; those of commands, which probes make many of, are not asked for. */
export const CONTAINER_EVENTS = ['create', 'start', 'die', 'oom', 'update', 'pause', 'unpause', 'rename', 'destroy'] as const;

export interface EngineEvent {
  readonly containerId: string;
  /** One of {@link CONTAINER_EVENTS}. */
  readonly action: string;
  readonly timeNano: bigint;
}

export type EngineContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly status: EngineContainerStatus;
  /** Only to the second. */
  readonly createdAt: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly imageId: string;
  readonly image: string;
}

/** Times are nanoseconds since the epoch, 0n for "not yet". */
export interface ContainerInspection {
  readonly id: string;
  readonly name: string;
  readonly createdAt: bigint;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly status: EngineContainerStatus;
  /** On the engine's machine; 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start failed. */
  readonly error: string;
  readonly imageId: string;
  /** As the container was created from. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tty: boolean;
  readonly stdinOnce: boolean;
  readonly stopSignal: string | undefined;
  /** Empty until the first start. */
  readonly logPath: string;
  /** Empty until the first start. */
  readonly resolvConfPath: string;
  /** IPv4 before IPv6. */
  readonly ips: readonly string[];
  readonly resources: EngineResources & { readonly OomScoreAdj?: number };
  readonly mounts: readonly EngineMount[];
}

export interface EngineMount {
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
  /** `rprivate`, `rslave`, `rshared`, … */
  readonly propagation: string;
}

/** Resource fields of HostConfig, in the engine's own spelling and units. */
export interface EngineResources {
  readonly CpuShares?: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpusetCpus?: string;
  readonly CpusetMems?: string;
  readonly Memory?: number;
  readonly MemorySwap?: number;
}

/** Body of POST /containers/create, in the engine's own spelling. */
export interface ContainerSpec {
  readonly Image: string;
  readonly Hostname?: string;
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly Tty?: boolean;
  readonly StopSignal?: string;
  readonly Healthcheck?: { readonly Test: readonly string[] };
  readonly ExposedPorts?: Readonly<Record<string, Record<never, never>>>;
  readonly HostConfig: HostConfig;
}

export interface HostConfig extends EngineResources {
  readonly NetworkMode?: string;
  readonly IpcMode?: string;
  readonly PidMode?: string;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  readonly Runtime?: string;
  readonly CgroupParent?: string;
  readonly OomScoreAdj?: number;
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly GroupAdd?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  readonly MaskedPaths?: readonly string[];
  readonly ReadonlyPaths?: readonly string[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly PortBindings?: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;
  readonly Mounts?: readonly MountSpec[];
  readonly Devices?: readonly DeviceSpec[];
  readonly DeviceCgroupRules?: readonly string[];
  readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  readonly RestartPolicy?: { readonly Name: 'no' };
}

export interface DeviceSpec {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

export interface MountSpec {
  readonly Type: 'bind';
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly BindOptions: {
    readonly Propagation?: 'rprivate' | 'rslave' | 'rshared';
    /** From API 1.44: without it read-only is recursive there. */
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
  };
}

export interface EngineStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface ExecSpec extends EngineStreams {
  readonly cmd: readonly string[];
  readonly tty: boolean;
}

export interface ExecInspection {
  readonly running: boolean;
  readonly exitCode: number | undefined;
  /** On the engine's machine; 0 when it is not known. */
  readonly pid: number;
}

export interface EngineImage {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly size: number;
  /** `user[:group]` of the image; undefined in lists, which do not tell. */
  readonly user: string | undefined;
}

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

export interface PullProgress {
  /** Layer. */
  readonly id: string;
  readonly status: string;
  /** Bytes of this layer so far, while it moves. */
  readonly current: number | undefined;
}
