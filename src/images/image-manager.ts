import type { AnyContainerSpec, ObjectReference, Pod, Secret } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { UnimplementedError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AuthConfig, ImageService, PodSandboxConfig } from '../runtime/types.ts';

export interface ImageEventPort {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface PullSecretPort {
  /** `undefined` when absent. */
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
}

/** Credentials that every pod of this node may use (Docker's own configuration, kubelet's config.json, plugins). */
export interface NodeCredentials {
  /** Most specific first; empty when there are none. `repository` is fully qualified, without tag or digest. */
  lookup(repository: string, signal: AbortSignal): Promise<readonly AuthConfig[]>;
}

/** kubelet: serializeImagePulls, maxParallelImagePulls, registryPullQPS, registryBurst. */
export interface ImagePullSettings {
  /** Pulls at the same time; 1 is `serializeImagePulls`. */
  readonly maxParallelPulls: number;
  /** Pulls a second on average, 0 is no limit. */
  readonly registryPullQps: number;
  readonly registryBurst: number;
}

export interface ImageManagerDeps {
  readonly images: ImageService;
  readonly events: ImageEventPort;
  readonly secrets: PullSecretPort;
  readonly nodeCredentials: NodeCredentials;
  readonly settings: ImagePullSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Directory of the record of pulled images: `<root>/image_manager`. */
  readonly recordDirectory: string;
}

export interface EnsuredImage {
  readonly imageId: string;
  readonly uid?: number;
  readonly username?: string;
}

export interface ImageManager {
  /** See ImagePort in runtime/ports.ts, which this satisfies. */
  ensureImage(
    request: { readonly pod: Pod; readonly container: AnyContainerSpec; readonly sandboxConfig: PodSandboxConfig },
    signal: AbortSignal,
  ): Promise<EnsuredImage>;
  /** The image of an image volume; events are about the pod. */
  ensureVolumeImage(
    request: { readonly pod: Pod; readonly reference: string; readonly pullPolicy?: string },
    signal: AbortSignal,
  ): Promise<EnsuredImage>;
  /** Forgets back-off and messages of a pod that is gone. */
  forget(podUid: string): void;
}

export async function createImageManager(_deps: ImageManagerDeps): Promise<ImageManager> {
  throw new UnimplementedError('the image manager is being built');
}
