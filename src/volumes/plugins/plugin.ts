/** What a volume plugin is. One for each source in `spec.volumes`, a file each. */
import type { PersistentVolume, Pod, VolumeSpec } from '../../api/types.ts';
import type { PodPaths } from '../pod-paths.ts';
import type { MountedVolume, VolumeManagerDeps } from '../types.ts';

/** A volume of a pod. `spec.name` names it in the pod, in paths and in messages. */
export interface PodVolume {
  readonly pod: Pod;
  readonly spec: VolumeSpec;
}

/** A config map or secret that a volume is made of. */
export interface ObjectKey {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly namespace: string;
  readonly name: string;
}

/** What a volume's content comes from, besides the pod's spec: when one of these changes it is set up again. */
export interface VolumeSources {
  readonly objects: readonly ObjectKey[];
  /** Labels, annotations and resources of the pod. */
  readonly podItself: boolean;
}

export interface SetUpResult {
  readonly mounted: MountedVolume;
  /** When to set it up again because something in it expires, milliseconds since the epoch. */
  readonly refreshAt?: number;
}

export interface VolumePlugin {
  /**
   * Puts the volume in place, or brings it up to date. Idempotent; on failure what was in place stays.
   * @throws Error whose message goes into the FailedMount event; VolumeFailure and ReasonedError as they are
   */
  readonly setUp: (volume: PodVolume, signal: AbortSignal) => Promise<SetUpResult>;
  /** Of volumes whose content changes while the pod runs. */
  readonly live?: {
    sources(volume: PodVolume): VolumeSources;
    /** The volume as an earlier run of the agent has left it; `undefined` when that was not finished. */
    adopt(volume: PodVolume): Promise<MountedVolume | undefined>;
  };
}

/** Plugins for what a persistent volume can be. */
export interface PersistentVolumePlugin {
  setUp(pod: Pod, volume: BoundVolume, signal: AbortSignal): Promise<SetUpResult>;
  readonly supportsMountOptions: boolean;
}

export interface BoundVolume {
  /** In `spec.volumes`. */
  readonly name: string;
  readonly volume: PersistentVolume;
  readonly volumeName: string;
  readonly readOnly: boolean;
}

export interface PluginContext extends VolumeManagerDeps {
  readonly paths: PodPaths;
  /** Logs a shortcoming of this host the first time it shows. */
  noteOnce(message: string): void;
}

/** A failure that is worded by who throws it, in place of "MountVolume.SetUp failed for volume …". */
export class VolumeFailure extends Error {
  constructor(message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = 'VolumeFailure';
  }
}
