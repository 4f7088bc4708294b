import { containerReference, podReference } from '../api/object-reference.ts';
import type { AnyContainerSpec, ObjectReference, Pod } from '../api/types.ts';
import { TokenBucket } from '../cluster/rate-limiter.ts';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import { goDuration } from '../lib/go-duration.ts';
import type { Logger } from '../lib/log.ts';
import { quote } from '../lib/quote.ts';
import type { Image, ImageService, PodSandboxConfig } from '../runtime/types.ts';
import type { NodeCredentials } from './docker-credentials.ts';
import type { Credential } from './keyring.ts';
import { PullBackoff } from './pull-backoff.ts';
import { ImagePullError } from './pull-error.ts';
import { readPullSecrets, type PullSecretPort } from './pull-secrets.ts';
import { PulledImages } from './pulled-images.ts';
import { Puller, type PullResult } from './puller.ts';
import { defaultPullPolicy, parseImageReference, repositoryOf, withDefaultTag, type ImageReference } from './reference.ts';

export interface ImageEventPort {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** kubelet: serializeImagePulls, maxParallelImagePulls, registryPullQPS, registryBurst. */
export interface ImagePullSettings {
  /** Pulls at the same time; 1 is `serializeImagePulls`. */
  readonly maxParallelPulls: number;
  /** Pulls a second on average, 0 is no limit. Unlike the kubelet's, a pull beyond it waits and does not fail. */
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
  /** See ImagePort in runtime/ports.ts, which this satisfies. @throws ImagePullError */
  ensureImage(
    request: { readonly pod: Pod; readonly container: AnyContainerSpec; readonly sandboxConfig: PodSandboxConfig },
    signal: AbortSignal,
  ): Promise<EnsuredImage>;
  /** The image of an image volume; events are about the pod. @throws ImagePullError */
  ensureVolumeImage(
    request: { readonly pod: Pod; readonly reference: string; readonly pullPolicy?: string },
    signal: AbortSignal,
  ): Promise<EnsuredImage>;
  /** What this agent has pulled: all that image garbage collection may remove. */
  readonly pulled: PulledImages;
}

/** What is asked for, whoever asks. */
interface Want {
  readonly pod: Pod;
  readonly about: ObjectReference;
  /** As the pod says it. */
  readonly image: string;
  readonly pullPolicy: string | undefined;
  readonly sandboxConfig: PodSandboxConfig | undefined;
}

/** The same, understood. */
interface ParsedWant extends Want {
  readonly reference: ImageReference;
  /** With a tag or digest. */
  readonly fullImage: string;
}

/** kubelet runtimeRequestTimeout's default: an engine that takes longer to look at an image is stuck. */
const INSPECT_LIMIT_MS = 120_000;

/** Reads the record of pulled images, then manages. */
export async function createImageManager(deps: ImageManagerDeps): Promise<ImageManager> {
  return new PolicyImageManager(deps, await PulledImages.load(deps.recordDirectory, deps.logger));
}

/** kubelet pkg/kubelet/images/image_manager.go: its decisions, words and events. */
class PolicyImageManager implements ImageManager {
  readonly pulled: PulledImages;
  readonly #deps: ImageManagerDeps;
  readonly #puller: Puller;
  readonly #backoff: PullBackoff;

  constructor(deps: ImageManagerDeps, pulled: PulledImages) {
    this.#deps = deps;
    this.pulled = pulled;
    const { images, clock, settings } = deps;
    const { registryPullQps: qps, registryBurst: burst, maxParallelPulls } = settings;
    const rate = qps > 0 ? new TokenBucket({ qps, burst }, clock) : undefined;
    this.#puller = new Puller({ images, clock, maxParallelPulls, rate });
    this.#backoff = new PullBackoff(clock);
  }

  ensureImage(
    {
      pod,
      container,
      sandboxConfig,
    }: { readonly pod: Pod; readonly container: AnyContainerSpec; readonly sandboxConfig: PodSandboxConfig },
    signal: AbortSignal,
  ): Promise<EnsuredImage> {
    const { image = '', imagePullPolicy: pullPolicy, name } = container;
    return this.#ensure({ pod, about: containerReference(pod, name), image, pullPolicy, sandboxConfig }, signal);
  }

  ensureVolumeImage(
    { pod, reference: image, pullPolicy }: { readonly pod: Pod; readonly reference: string; readonly pullPolicy?: string },
    signal: AbortSignal,
  ): Promise<EnsuredImage> {
    return this.#ensure({ pod, about: podReference(pod), image, pullPolicy, sandboxConfig: undefined }, signal);
  }

  async #ensure(want: Want, signal: AbortSignal): Promise<EnsuredImage> {
    const parsed = this.#parse(want);
    const policy = want.pullPolicy ?? defaultPullPolicy(parsed.reference);
    const present = await this.#present(parsed, signal);
    if (policy !== 'Always' && present !== undefined && (await this.#mayUse(parsed, present, signal))) {
      const message = `Container image ${quote(want.image)} already present on machine and can be accessed by the pod`;
      this.#event(want, 'Normal', 'Pulled', message);
      return ensured(present);
    }
    if (policy === 'Never') {
      const message = `Container image ${quote(want.image)} is not present with pull policy of Never`;
      this.#event(want, 'Warning', 'ErrImageNeverPull', message);
      throw new ImagePullError('ErrImageNeverPull', message);
    }
    return this.#pull(parsed, present, signal);
  }

  #parse(want: Want): ParsedWant {
    try {
      const reference = parseImageReference(want.image);
      return { ...want, reference, fullImage: withDefaultTag(want.image, reference) };
    } catch (error) {
      const message = `Failed to apply default image tag ${quote(want.image)}: ${errorMessage(error)}`;
      this.#event(want, 'Warning', 'InspectFailed', message);
      throw new ImagePullError('InvalidImageName', message, { cause: error });
    }
  }

  async #present(want: ParsedWant, signal: AbortSignal): Promise<Image | undefined> {
    try {
      return await this.#imageStatus(want.fullImage, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = `Failed to inspect image ${quote(want.fullImage)}: ${errorMessage(error)}`;
      this.#event(want, 'Warning', 'InspectFailed', message);
      throw new ImagePullError('ImageInspectError', message, { cause: error });
    }
  }

  /** Somebody else's secret does not open an image to this pod. Secrets are read only when the record asks for one. */
  async #mayUse({ pod, reference }: ParsedWant, present: Image, signal: AbortSignal): Promise<boolean> {
    const repository = repositoryOf(reference);
    if (this.pulled.mayUse(present.id, repository, [])) return true;
    const { keyring } = await readPullSecrets(pod, this.#deps.secrets, signal);
    return this.pulled.mayUse(present.id, repository, keyring.lookup(repository));
  }

  async #pull(want: ParsedWant, present: Image | undefined, signal: AbortSignal): Promise<EnsuredImage> {
    const { clock, secrets } = this.#deps;
    const { uid } = want.pod.metadata;
    const waiting = this.#backoff.waiting(uid, want.image);
    if (waiting) {
      const message = `Back-off pulling image ${quote(want.image)}`;
      this.#event(want, 'Normal', 'BackOff', message);
      throw new ImagePullError('ImagePullBackOff', `${message}: ${waiting.message}`, { retryAt: waiting.retryAt });
    }
    this.#event(want, 'Normal', 'Pulling', `Pulling image ${quote(want.image)}`);
    const started = clock.monotonic();
    let missing: readonly string[] = [];
    try {
      const pullSecrets = await readPullSecrets(want.pod, secrets, signal);
      missing = pullSecrets.missing;
      const result = await this.#pullShared(want, pullSecrets.keyring.lookup(repositoryOf(want.reference)), signal);
      return await this.#pulled(want, present, result, clock.monotonic() - started, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failure(want, missing, error);
    }
  }

  async #pullShared(want: ParsedWant, fromSecrets: readonly Credential[], signal: AbortSignal): Promise<PullResult> {
    const { nodeCredentials } = this.#deps;
    const ofNode = await nodeCredentials.lookup(repositoryOf(want.reference), signal);
    const credentials = [...fromSecrets, ...ofNode.map((auth): Credential => ({ auth }))];
    const { fullImage: image, sandboxConfig } = want;
    return this.#puller.pull({ image, credentials, sandboxConfig }, signal);
  }

  async #pulled(
    want: ParsedWant,
    before: Image | undefined,
    { imageId, credential, pullMs }: PullResult,
    waitedMs: number,
    signal: AbortSignal,
  ): Promise<EnsuredImage> {
    await this.#record(want, before, imageId, credential);
    const image = await this.#imageStatus(imageId, signal);
    const times = `${goDuration(Math.trunc(pullMs))} (${goDuration(Math.trunc(waitedMs))} including waiting)`;
    const message = `Successfully pulled image ${quote(want.image)} in ${times}. Image size: ${image?.size ?? 0} bytes.`;
    this.#event(want, 'Normal', 'Pulled', message);
    return image === undefined ? { imageId } : ensured(image);
  }

  /** An image that could not be recorded is used all the same; it is never collected. */
  async #record(want: ParsedWant, before: Image | undefined, imageId: string, credential: Credential | undefined): Promise<void> {
    try {
      await this.pulled.pulled(imageId, before?.id, repositoryOf(want.reference), credential, this.#deps.clock.now());
    } catch (error) {
      this.#deps.logger.warn('A pulled image could not be recorded', { image: want.image, error: errorMessage(error) });
    }
  }

  #imageStatus(image: string, signal: AbortSignal): Promise<Image | undefined> {
    const { clock, images } = this.#deps;
    return withDeadline(clock, 'ImageStatus', INSPECT_LIMIT_MS, signal, (limited) => images.imageStatus({ image }, limited));
  }

  #failure(want: ParsedWant, missingSecrets: readonly string[], error: unknown): ImagePullError {
    const text = errorMessage(error);
    this.#event(want, 'Warning', 'Failed', `Failed to pull image ${quote(want.image)}: ${text}`);
    if (missingSecrets.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missingSecrets.join(', ')}); attempting to pull the image may not succeed.`;
      this.#deps.events.event(podReference(want.pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    const { reason, message } = pullErrorWords(want.image, text);
    this.#backoff.failed(want.pod.metadata.uid, want.image, `${reason}: ${message}`);
    return new ImagePullError(reason, message, { cause: error });
  }

  #event({ about }: Want, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#deps.events.event(about, type, reason, message);
  }
}

/** Two failures that a runtime can tell apart by the start of its message (cri-api pkg/errors). */
function pullErrorWords(image: string, text: string): { reason: string; message: string } {
  const special = { RegistryUnavailable: 'the registry is unavailable', SignatureValidationFailed: 'the signature validation failed' };
  for (const [reason, because] of Object.entries(special)) {
    if (text.startsWith(reason))
      return { reason, message: `image pull failed for ${image} because ${because}${text.slice(reason.length)}` };
  }
  return { reason: 'ErrImagePull', message: text };
}

function ensured({ id, uid, username }: Image): EnsuredImage {
  return { imageId: id, ...(uid === undefined ? {} : { uid }), ...(username === undefined ? {} : { username }) };
}
