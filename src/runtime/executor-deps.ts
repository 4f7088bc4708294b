import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type {
  CgroupPort,
  DnsPort,
  EventPort,
  HookRunner,
  HostPaths,
  ImagePort,
  NodeFacts,
  ObjectPort,
  RuntimeClassPort,
  VolumePort,
} from './ports.ts';
import type { RuntimeService } from './types.ts';

export interface ExecutorSettings {
  /** kubelet `runtimeRequestTimeout`: limit of one call to the runtime, image pulls excepted; ms, 120 000 by default. */
  readonly runtimeRequestTimeoutMs: number;
  /** kubelet `seccompDefault`: containers without a profile get RuntimeDefault instead of Unconfined. */
  readonly seccompDefault: boolean;
  /** Where Localhost seccomp profiles are: `<root>/seccomp`. */
  readonly seccompProfileRoot: string;
  /** Whether SELinux is on: without it no mount asks for relabelling. */
  readonly selinuxEnabled: boolean;
}

export interface ExecutorDeps {
  readonly runtime: RuntimeService;
  readonly images: ImagePort;
  readonly volumes: VolumePort;
  readonly cgroups: CgroupPort;
  readonly dns: DnsPort;
  readonly objects: ObjectPort;
  readonly runtimeClasses: RuntimeClassPort;
  readonly hooks: HookRunner;
  readonly events: EventPort;
  readonly node: NodeFacts;
  readonly paths: HostPaths;
  readonly settings: ExecutorSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}
