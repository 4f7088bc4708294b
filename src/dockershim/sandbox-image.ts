import { isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AuthConfig, ImageService } from '../runtime/types.ts';
import { SingleFlight } from './single-flight.ts';

export interface SandboxImageOptions {
  readonly images: ImageService;
  readonly image: string;
  readonly auth: AuthConfig | undefined;
  readonly importFallback: ((reference: string, signal: AbortSignal) => Promise<boolean>) | undefined;
  readonly logger: Logger;
}

/**
 * Gets the sandbox image when the engine lacks it: by a pull, else from what the agent brings along. Called only after a creation has
 * failed for want of it, so that in the common case nothing is asked.
 */
export class SandboxImage {
  readonly #options: SandboxImageOptions;
  readonly #fetching = new SingleFlight((image) => this.#fetch(image));

  constructor(options: SandboxImageOptions) {
    this.#options = options;
  }

  get reference(): string {
    return this.#options.image;
  }

  /** Runs `create`, and once more after fetching the image if that was missing. */
  async whenPresent<T>(create: () => Promise<T>): Promise<T> {
    try {
      return await create();
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#fetching.request(this.#options.image);
      return create();
    }
  }

  async #fetch(image: string): Promise<void> {
    const { images, auth, importFallback, logger } = this.#options;
    // Not one caller's signal: the others wait for the same image. The pull has its own deadline.
    const { signal } = new AbortController();
    if ((await images.imageStatus({ image }, signal)) !== undefined) return;
    try {
      await images.pullImage({ image }, auth, undefined, signal);
    } catch (error) {
      if (importFallback === undefined || !(await importFallback(image, signal))) throw error;
      logger.warn('The sandbox image cannot be pulled: using the one that comes with the agent', { image });
    }
  }
}
