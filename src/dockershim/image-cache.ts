import { isNotFound } from '../lib/errors.ts';
import type { DockerEngine, EngineImage } from './engine.ts';

/** Distinct images on a node; the kubelet reports at most 50 and a full disk holds some hundreds. */
const MAX_IMAGES = 1_000;

/**
 * What is known of images by id, so that the status of a container needs no call. An image's content never changes; its names may, by
 * a pull, a tag or a removal: `put` and `clear` follow our own, others' show with the next question about the image itself.
 */
export class ImageCache {
  readonly #engine: DockerEngine;
  readonly #images = new Map<string, EngineImage>();

  constructor(engine: DockerEngine) {
    this.#engine = engine;
  }

  /** `undefined` when the image has been removed under its containers. */
  async get(id: string, signal: AbortSignal): Promise<EngineImage | undefined> {
    const known = this.#images.get(id);
    if (known !== undefined) return known;
    try {
      const image = await this.#engine.inspectImage(id, signal);
      this.put(image);
      return image;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  put(image: EngineImage): void {
    this.#images.delete(image.id);
    this.#images.set(image.id, image);
    if (this.#images.size <= MAX_IMAGES) return;
    for (const oldest of this.#images.keys()) {
      this.#images.delete(oldest);
      return;
    }
  }

  /** Names have moved from one image to another, or gone. */
  clear(): void {
    this.#images.clear();
  }
}
