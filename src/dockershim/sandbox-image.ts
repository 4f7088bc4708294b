import { abortable } from '../lib/abort.ts';
import { errorMessage, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AuthConfig, ImageService } from '../runtime/types.ts';
import type { DockerEngine } from './engine.ts';
import { pauseArchive } from './pause/archive.ts';

export interface SandboxImageOptions {
  readonly engine: DockerEngine;
  readonly images: ImageService;
  /** The one that is configured. */
  readonly image: string;
  readonly auth: AuthConfig | undefined;
  readonly logger: Logger;
}

/** The agent's own sandbox image, for engines that have no other and no registry. Its tag counts the versions of its program. */
export const OWN_SANDBOX_IMAGE = 'shorelet/pause:1';

/**
 * Gets the sandbox image when the engine lacks it: by a pull, else the agent's own is imported, under its own name. Nothing is asked
 * before a creation has failed for want of the image, so in the common case this costs nothing.
 *
 * INVARIANTS
 * 1. However many sandboxes want the image, it is fetched once.
 * 2. Once the own image was needed it is used until the end of the process: no sandbox waits for a pull that fails again.
 */
export class SandboxImage {
  readonly #options: SandboxImageOptions;
  #fetching: Promise<void> | undefined;
  #reference: string;

  constructor(options: SandboxImageOptions) {
    this.#options = options;
    this.#reference = options.image;
  }

  /** Runs `create` with the image's reference, and once more after fetching the image if that was missing. */
  async whenPresent<T>(create: (reference: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    const tried = this.#reference;
    try {
      return await create(tried);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (tried === this.#reference) await abortable((this.#fetching ??= this.#fetch()), signal);
      return create(this.#reference);
    }
  }

  async #fetch(): Promise<void> {
    try {
      await this.#pullOrImport();
    } finally {
      this.#fetching = undefined;
    }
  }

  async #pullOrImport(): Promise<void> {
    const { engine, images, image, auth, logger } = this.#options;
    // Not one caller's signal: the others wait for the same image. The pull has its own deadline.
    const { signal } = new AbortController();
    if ((await images.imageStatus({ image }, signal)) !== undefined) return;
    try {
      await images.pullImage({ image }, auth, undefined, signal);
    } catch (error) {
      logger.warn('The sandbox image cannot be pulled: using one of our own', {
        image,
        own: OWN_SANDBOX_IMAGE,
        error: errorMessage(error),
      });
      const { architecture } = await engine.info(signal);
      const archive = pauseArchive(architecture === 'aarch64' ? 'arm64' : 'x64');
      await engine.importImage(archive, OWN_SANDBOX_IMAGE, ['ENTRYPOINT ["/pause"]', 'USER 65535:65535'], signal);
      this.#reference = OWN_SANDBOX_IMAGE;
    }
  }
}
