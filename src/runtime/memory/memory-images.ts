import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { AuthConfig, FilesystemUsage, Image, ImageService, ImageSpec, PodSandboxConfig } from '../types.ts';

export interface MemoryImagesOptions {
  readonly clock: Clock;
  /** References that are there from the start. */
  readonly present?: readonly string[];
  /** How long a pull takes, or why it fails. Absent: every pull succeeds at once. */
  readonly pull?: (image: string, auth: AuthConfig | undefined) => { readonly ms?: number; readonly error?: Error };
  /** Default user of an image. */
  readonly user?: (image: string) => { readonly uid?: number; readonly username?: string };
}

/** Bytes that every image has. */
const IMAGE_SIZE = 1_000_000;

/** Images by reference, without content. */
export class MemoryImages implements ImageService {
  readonly #options: MemoryImagesOptions;
  readonly #images = new Map<string, Image>();

  constructor(options: MemoryImagesOptions) {
    this.#options = options;
    for (const reference of options.present ?? []) this.#add(reference);
  }

  async listImages({ image }: { readonly image?: string }): Promise<Image[]> {
    const all = [...new Set(this.#images.values())];
    return image === undefined ? all : all.filter((candidate) => candidate === this.#find(image));
  }

  async imageStatus({ image }: ImageSpec): Promise<Image | undefined> {
    return this.#find(image);
  }

  async pullImage(
    { image }: ImageSpec,
    auth: AuthConfig | undefined,
    _sandboxConfig: PodSandboxConfig | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { ms = 0, error } = this.#options.pull?.(image, auth) ?? {};
    if (ms > 0) await this.#options.clock.sleep(ms, signal);
    if (error) throw error;
    return this.#add(image).id;
  }

  async removeImage({ image }: ImageSpec): Promise<void> {
    const found = this.#find(image);
    for (const [reference, candidate] of this.#images) if (candidate === found) this.#images.delete(reference);
  }

  async imageFsInfo() {
    const usedBytes = BigInt(IMAGE_SIZE * new Set(this.#images.values()).size);
    const usage: FilesystemUsage = { timestamp: BigInt(this.#options.clock.now()) * 1_000_000n, mountpoint: '/', usedBytes };
    return { imageFilesystems: [usage], containerFilesystems: [usage] };
  }

  #find(reference: string): Image | undefined {
    return this.#images.get(reference) ?? [...this.#images.values()].find(({ id }) => id === reference);
  }

  #add(reference: string): Image {
    const known = this.#images.get(reference);
    if (known) return known;
    const id = `sha256:${createHash('sha256').update(reference).digest('hex')}`;
    const user = this.#options.user?.(reference) ?? {};
    const image: Image = { id, repoTags: [reference], repoDigests: [], size: IMAGE_SIZE, pinned: false, spec: { image: id }, ...user };
    this.#images.set(reference, image);
    return image;
  }
}
