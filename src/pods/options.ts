/** What the parts of this room are built from. */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PlanSettings } from './plan/types.ts';
import type {
  EventSink,
  MirrorPodWriter,
  NodeView,
  PodNames,
  PodStatusSink,
  PodStatusWriter,
  ProbeResults,
  TerminationMessages,
} from './ports.ts';
import type { PodCache, PlanExecutor } from './types.ts';
import type { PodManager } from './pod-manager.ts';

export interface PodWorkersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly cache: PodCache;
  readonly executor: PlanExecutor;
  readonly pods: PodManager;
  readonly status: PodStatusSink;
  readonly probes: ProbeResults;
  readonly node: NodeView;
  readonly events: EventSink;
  readonly terminationMessages: TerminationMessages;
  /** Scheme of container ids: `docker`. */
  readonly runtimeName: string;
  readonly settings: PlanSettings;
  /** In [0, 1), for jitter; Math.random by default. */
  readonly random?: () => number;
}

export interface StatusManagerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly writer: PodStatusWriter;
  readonly pods: PodManager;
}

export interface MirrorPodsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly writer: MirrorPodWriter;
  readonly pods: PodManager;
  readonly nodeName: string;
  /** UID of the Node object, the mirrors' owner; `undefined` until the node is registered. */
  readonly nodeUid: () => string | undefined;
  /** The mirror of a static pod that is ending stays until it has gone. */
  readonly workers: PodNames;
}

export interface StaticPodSettings {
  /** Directory of manifests; absent: none. */
  readonly staticPodPath?: string;
  /** Read again this often, ms (kubelet: fileCheckFrequency 20 s). */
  readonly fileCheckFrequencyMs: number;
  readonly staticPodURL?: string;
  readonly staticPodURLHeader?: Readonly<Record<string, readonly string[]>>;
  /** ms (kubelet: httpCheckFrequency 20 s). */
  readonly httpCheckFrequencyMs: number;
}
