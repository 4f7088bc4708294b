/**
 * What volumes/ promises and what it needs. The ports are as narrow as their use; agent.ts passes the parts in.
 */
import type { ConfigMap, ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod, Secret } from '../api/types.ts';
import type { ObjectSource, TokenSource } from '../cluster/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { HostFiles } from './host-files.ts';
import type { Mounter } from './mounter.ts';

/** A pod volume that is in place on the host. */
export interface MountedVolume {
  /** As in `spec.volumes`. */
  readonly name: string;
  readonly hostPath: string;
  /** Forces read-only mounts whatever the container says. */
  readonly readOnly: boolean;
  readonly selinuxRelabel: boolean;
  /** Image volumes: mounted by the runtime; `hostPath` is then empty. */
  readonly image?: { readonly imageId: string; readonly reference: string };
}

/** Config maps and secrets, kept current while a pod uses them; claims and volumes are read when asked for. */
export interface VolumeObjects {
  readonly configMaps: ObjectSource<ConfigMap>;
  readonly secrets: ObjectSource<Secret>;
  /** Asks the API server. `undefined`: there is no such object. */
  persistentVolumeClaim(namespace: string, name: string, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined>;
  persistentVolume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined>;
}

export interface VolumeImagePort {
  /**
   * Makes the image of an image volume present by its pull policy, recording its own events.
   * @throws ReasonedError with ErrImagePull, ImagePullBackOff, InvalidImageName, ErrImageNeverPull …
   */
  ensureImage(
    request: { readonly pod: Pod; readonly volumeName: string; readonly reference: string; readonly pullPolicy?: string },
    signal: AbortSignal,
  ): Promise<{ readonly imageId: string }>;
}

export interface VolumeEvents {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** What volumes need to know of the node and of a pod's place on it. */
export interface VolumeNodeFacts {
  readonly nodeName: string;
  hostIPs(): readonly string[];
  labels(): Readonly<Record<string, string>>;
  /** Quantities by resource name. */
  allocatable(): Readonly<Record<string, string>>;
  /** Bytes that the pod's cgroup is limited to; `undefined`: no limit. */
  podMemoryLimit(pod: Pod): number | undefined;
}

export interface VolumeSettings {
  /** `<root>/pods`, absolute: holds a directory for each pod UID. */
  readonly podsDirectory: string;
}

export interface VolumeManagerDeps {
  readonly settings: VolumeSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: VolumeEvents;
  readonly files: HostFiles;
  readonly mounter: Mounter;
  readonly objects: VolumeObjects;
  readonly tokens: TokenSource;
  readonly images: VolumeImagePort;
  readonly node: VolumeNodeFacts;
}

/** Every method may be called at any time for any pod; calls for the same UID wait for each other. */
export interface VolumeManager {
  /**
   * Puts every volume that a container of the pod uses in place, several at a time. Idempotent: what is in place is left
   * alone, also what an earlier run of the agent has put there; its content is brought and kept up to date in the background. A
   * failed volume gets a FailedMount event here and does not keep the others from being set up.
   * @throws ReasonedError FailedMount (event recorded), or the image's reason when only an image volume failed
   */
  mount(pod: Pod, signal: AbortSignal): Promise<ReadonlyMap<string, MountedVolume>>;
  /**
   * A host path below the volume that cannot leave it through symlinks, bind-mounted under the pod's `volume-subpaths` where
   * mounting is possible; a missing directory is created with the volume's mode. Released by `unmount`.
   * @throws InvalidInputError for absolute paths and `..`; Error without details of the host for what fails there
   */
  resolveSubPath(
    pod: Pod,
    volume: MountedVolume,
    containerName: string,
    mountIndex: number,
    subPath: string,
    signal: AbortSignal,
  ): Promise<string>;
  /**
   * Undoes everything of the pod and removes its directory. Idempotent, also for pods of which only the UID is known. Never
   * deletes through a mount: what stays mounted makes it fail and nothing below is touched.
   * @throws FailedPreconditionError naming the mounts that would not go away
   */
  unmount(podUid: string, signal: AbortSignal): Promise<void>;
  /** The pod's object has changed: downward API volumes follow (also when `mount` is given the changed object). Cheap otherwise. */
  podChanged(pod: Pod): void;
  /** UIDs that have a directory under the pods directory and are not in `known`. */
  orphans(known: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]>;
  /** Ends the background work; volumes stay as they are. */
  stop(): Promise<void>;
}
