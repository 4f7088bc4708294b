/** What a sandbox or container is asked to be (see types.ts for the conventions). */

/** Labels and annotations: round-trip exactly through the runtime. */
export type StringMap = Readonly<Record<string, string>>;

/** Where a namespace of the sandbox or container comes from (proto NamespaceMode). */
export type NamespaceMode = 'pod' | 'container' | 'node' | 'target';

export interface IdMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

export interface UserNamespace {
  /** Only `pod` and `node` are valid. */
  readonly mode: NamespaceMode;
  readonly uids?: readonly IdMapping[];
  readonly gids?: readonly IdMapping[];
}

export interface NamespaceOptions {
  readonly network: NamespaceMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  /** Container id whose PID namespace is shared when `pid` is `target`. */
  readonly targetId?: string;
  readonly userns?: UserNamespace;
}

/** seccomp or AppArmor profile (proto SecurityProfile). */
export interface SecurityProfile {
  readonly type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  /** Absolute path of a seccomp profile or name of a loaded AppArmor profile; only for `Localhost`. */
  readonly localhostRef?: string;
}

export interface SELinuxOptions {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

export interface PodSandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly attempt: number;
}

export interface DNSConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort: number;
  /** 0 means: not published on the host. */
  readonly hostPort: number;
  /** Empty means every address of the host. */
  readonly hostIp: string;
}

export interface HugepageLimit {
  /** As in cgroup file names: `2MB`, `1GB`. */
  readonly pageSize: string;
  /** Bytes. */
  readonly limit: bigint;
}

/** Linux resources of a container; absent fields are left as they are by updates and at the engine's default by creates. */
export interface LinuxContainerResources {
  /** Microseconds. */
  readonly cpuPeriod?: number;
  /** Microseconds of CPU in each period; -1 is no limit. */
  readonly cpuQuota?: number;
  /** cgroup v1 shares (2 … 262144). */
  readonly cpuShares?: number;
  /** Bytes. */
  readonly memoryLimitInBytes?: number;
  readonly oomScoreAdj?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly hugepageLimits?: readonly HugepageLimit[];
  /** cgroup v2 files, written as given. */
  readonly unified?: StringMap;
  /** Memory plus swap, bytes; -1 is unlimited. */
  readonly memorySwapLimitInBytes?: number;
}

export interface LinuxSandboxSecurityContext {
  readonly namespaceOptions: NamespaceOptions;
  readonly selinuxOptions?: SELinuxOptions;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  readonly privileged?: boolean;
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
}

export interface LinuxPodSandboxConfig {
  /** Parent cgroup: a path for the cgroupfs driver, a slice name for systemd. Empty: the engine's default. */
  readonly cgroupParent: string;
  readonly securityContext: LinuxSandboxSecurityContext;
  readonly sysctls: StringMap;
  /** Sum of what the pod's infrastructure needs (RuntimeClass overhead). */
  readonly overhead?: LinuxContainerResources;
  /** Sum of the pod's containers. */
  readonly resources?: LinuxContainerResources;
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata;
  /** Empty: the runtime's default; not applied with host networking. */
  readonly hostname: string;
  /** Directory on the host for container logs; a container's `logPath` is relative to it. */
  readonly logDirectory: string;
  /** Absent: the engine's default DNS. */
  readonly dnsConfig?: DNSConfig;
  readonly portMappings: readonly PortMapping[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly linux: LinuxPodSandboxConfig;
}

export interface ImageSpec {
  /** Reference or image id. */
  readonly image: string;
  readonly annotations?: StringMap;
  readonly userSpecifiedImage?: string;
  readonly runtimeHandler?: string;
}

export type MountPropagation = 'private' | 'hostToContainer' | 'bidirectional';

export interface Mount {
  readonly containerPath: string;
  /** Empty for image mounts. */
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly selinuxRelabel: boolean;
  readonly propagation: MountPropagation;
  readonly recursiveReadOnly?: boolean;
  /** Mount the root (or a sub-path) of an image; excludes `hostPath`. */
  readonly image?: ImageSpec;
  readonly imageSubPath?: string;
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

export interface Device {
  readonly containerPath: string;
  readonly hostPath: string;
  /** Of `r`, `w`, `m`. */
  readonly permissions: string;
}

export interface LinuxContainerSecurityContext {
  readonly capabilities?: {
    readonly addCapabilities: readonly string[];
    readonly dropCapabilities: readonly string[];
    readonly addAmbientCapabilities?: readonly string[];
  };
  readonly privileged?: boolean;
  readonly namespaceOptions: NamespaceOptions;
  readonly selinuxOptions?: SELinuxOptions;
  /** At most one of `runAsUser` and `runAsUsername`. */
  readonly runAsUser?: number;
  readonly runAsUsername?: string;
  readonly runAsGroup?: number;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  readonly noNewPrivs?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
}

export interface LinuxContainerConfig {
  readonly resources?: LinuxContainerResources;
  readonly securityContext: LinuxContainerSecurityContext;
}

export interface ContainerMetadata {
  readonly name: string;
  readonly attempt: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  /** `image` is what the image service resolved (an id); `userSpecifiedImage` what the pod said. */
  readonly image: ImageSpec;
  /** Overrides the image's entrypoint when not empty. */
  readonly command: readonly string[];
  /** Overrides the image's arguments when not empty. */
  readonly args: readonly string[];
  /** Empty: the image's. */
  readonly workingDir: string;
  /** In order; later entries win. */
  readonly envs: readonly KeyValue[];
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  /** Fully qualified CDI names. */
  readonly cdiDevices?: readonly string[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  /** Relative to the sandbox's log directory. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  /** Signal name (`SIGTERM`); absent: the image's. */
  readonly stopSignal?: string;
  readonly linux: LinuxContainerConfig;
}
