/**
 * What the executor needs of other rooms, declared by the consumer; agent.ts passes the parts in. Each port is as narrow as
 * its use.
 */
import type { AnyContainerSpec, ConfigMap, LifecycleHandler, ObjectReference, Pod, Secret, Service } from '../api/types.ts';
import type { DNSConfig, LinuxContainerResources, PodSandboxConfig } from './types.ts';

export interface EventPort {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface ImagePort {
  /**
   * Makes the container's image present as its pull policy says, recording Pulling, Pulled, BackOff and Failed events. Answers
   * the image's id and its default user.
   * @throws ReasonedError with ErrImagePull, ImagePullBackOff, InvalidImageName, ErrImageNeverPull, ImageInspectError …
   */
  ensureImage(
    request: { readonly pod: Pod; readonly container: AnyContainerSpec; readonly sandboxConfig: PodSandboxConfig },
    signal: AbortSignal,
  ): Promise<{ readonly imageId: string; readonly uid?: number; readonly username?: string }>;
}

/** A pod volume that is in place on the host. */
export interface MountedVolume {
  readonly name: string;
  readonly hostPath: string;
  /** Forces read-only mounts whatever the container says. */
  readonly readOnly: boolean;
  readonly selinuxRelabel: boolean;
  /** Image volumes: mounted by the runtime; `hostPath` is then empty. */
  readonly image?: { readonly imageId: string; readonly reference: string };
}

export interface VolumePort {
  /** Idempotent. Waits until every volume of the pod is in place. @throws ReasonedError FailedMount naming the volume */
  mount(pod: Pod, signal: AbortSignal): Promise<ReadonlyMap<string, MountedVolume>>;
  /** A host path below the volume that cannot leave it through symlinks; created when missing. `release` is called with the pod. */
  resolveSubPath(
    pod: Pod,
    volume: MountedVolume,
    containerName: string,
    mountIndex: number,
    subPath: string,
    signal: AbortSignal,
  ): Promise<string>;
  /** Undoes everything of the pod, directories included. Idempotent, also for pods of which only the UID is known. */
  unmount(podUid: string, signal: AbortSignal): Promise<void>;
}

export interface CgroupPort {
  /** Creates or updates the pod's cgroup; answers the parent to give the runtime (path or slice by driver). */
  ensurePodCgroup(pod: Pod, signal: AbortSignal): Promise<string>;
  removePodCgroup(podUid: string, signal: AbortSignal): Promise<void>;
  /** Limits of one container, oom_score_adj included. */
  containerResources(pod: Pod, container: AnyContainerSpec): LinuxContainerResources;
}

export interface DnsPort {
  /** `undefined`: the engine's own. Records DNSConfigForming events. */
  dnsConfig(pod: Pod): DNSConfig | undefined;
  /** What the kernel of the sandbox is told. @throws InvalidInputError for names that are no DNS names */
  sandboxHostname(pod: Pod): string;
  /** Content of the managed /etc/hosts. */
  hostsFile(pod: Pod, podIPs: readonly string[]): string;
}

/** Config maps, secrets and services for environment variables. Waits for the first list; answers `undefined` when absent. */
export interface ObjectPort {
  configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
  /**
   * Services of the namespace plus the default/kubernetes master service. `wait` false (static pods, which must start without
   * an API server): what is known now, without waiting for the first list.
   */
  services(namespace: string, signal: AbortSignal, wait?: boolean): Promise<readonly Service[]>;
}

/** RuntimeClass objects by name. */
export interface RuntimeClassPort {
  /** The class's handler; empty is the runtime's default. @throws NotFoundError when there is no such class */
  handler(runtimeClassName: string, signal: AbortSignal): Promise<string>;
}

/** Runs one lifecycle handler (`postStart`, `preStop`) against a container. */
export interface HookRunner {
  /** Resolves when the hook has succeeded. @throws with a message that may hold secrets: never put it into an event */
  run(request: HookRequest, signal: AbortSignal): Promise<void>;
}

export interface HookRequest {
  readonly pod: Pod;
  readonly container: Pick<AnyContainerSpec, 'name' | 'ports'>;
  readonly containerId: string;
  readonly handler: LifecycleHandler;
  /** Where HTTP hooks without a host go. */
  readonly podIPs: readonly string[];
}

export interface NodeFacts {
  readonly nodeName: string;
  readonly hostIPs: () => readonly string[];
  /** Bytes and millicores of allocatable: the value of a resource reference without a limit. */
  readonly allocatable: () => Readonly<Record<string, string>>;
}

/** Where things are kept on the host, the kubelet's names. */
export interface HostPaths {
  /** `<root>/pods/<uid>` */
  podDirectory(podUid: string): string;
  /** `/var/log/pods/<ns>_<name>_<uid>` */
  podLogDirectory(pod: Pod): string;
  /** `/var/log/containers` */
  readonly containerLogDirectory: string;
}
