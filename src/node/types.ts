/** What the node room is told and what it needs of others. */
import type { Taint } from '../api/types.ts';
import type { EventType } from '../cluster/types.ts';
import type { ObjectReference } from '../api/types.ts';
import type { AllocatableSettings } from '../resources/allocatable.ts';
import type { FilesystemFacts } from '../resources/filesystem.ts';
import type { Image, RuntimeStatus, VersionInfo } from '../runtime/types.ts';

export interface NodeSettings {
  readonly nodeName: string;
  /** The machine's, or what overrides it: label and address of type Hostname. */
  readonly hostname: string;
  /** Configured addresses; `0.0.0.0` and `::` only choose the family. */
  readonly nodeIPs: readonly string[];
  /** Create the Node object when it does not exist; else wait for somebody to. */
  readonly registerNode: boolean;
  readonly registerWithTaints: readonly Taint[];
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly providerId: string;
  /** A cloud controller will complete the node: it is registered as uninitialized. */
  readonly externalCloudProvider: boolean;
  readonly controllerAttachDetach: boolean;
  /** Absent: an ordinary node. */
  readonly virtualKubelet?: { readonly provider: string };
  /** Port of the kubelet API; 0 when it is not served. */
  readonly port: number;
  /** `v1.37.2+shorelet.x.y.z` */
  readonly kubeletVersion: string;
  /** Features that are built and tested, sorted. */
  readonly declaredFeatures: readonly string[];
  readonly resources: AllocatableSettings;
  /** Time between two looks at the node's state, ms. */
  readonly statusUpdateFrequencyMs: number;
  /** Longest time between two reports, ms. */
  readonly statusReportFrequencyMs: number;
  /** -1: all. */
  readonly maxImages: number;
  /** Set by the agent when its own network makes every pod reachable (Docker's bridge); absent: left to the network plugin. */
  readonly networkUnavailable?: { readonly reason: string; readonly message: string };
}

/** Of the container runtime (RuntimeService and ImageService have these). */
export interface NodeRuntimePort {
  version(signal: AbortSignal): Promise<VersionInfo>;
  status(options: { readonly verbose?: boolean }, signal: AbortSignal): Promise<RuntimeStatus>;
}

export interface NodeImagePort {
  listImages(filter: { readonly image?: string }, signal: AbortSignal): Promise<readonly Image[]>;
}

export interface NodeStoragePort {
  /** File system of the root directory. */
  nodeFs(signal: AbortSignal): Promise<FilesystemFacts>;
  /** File system of the images; `undefined` when it cannot be told now. */
  imageFs(signal: AbortSignal): Promise<FilesystemFacts | undefined>;
}

export interface NodeEventPort {
  event(about: ObjectReference, type: EventType, reason: string, message: string): void;
}

/** Things other rooms know. Each is asked at every look, so it must be cheap. */
export interface NodeReports {
  /** Why the node is not ready, beyond the runtime and its network (`PLEG is not healthy: …`, `node is shutting down`). */
  notReadyReasons(): readonly string[];
  /** Names of attachable volumes in use. */
  volumesInUse(): readonly string[];
}
