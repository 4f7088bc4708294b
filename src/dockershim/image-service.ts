import { stat, statfs } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import { DeadlineExceededError, NotFoundError, isNotFound } from '../lib/errors.ts';
import type { AuthConfig, FilesystemUsage, Image, ImageService, ImageSpec } from '../runtime/types.ts';
import type { DockerEngine, EngineImage, PullProgress, RegistryAuth } from './engine.ts';
import type { EngineLink } from './engine-link.ts';
import type { ImageCache } from './image-cache.ts';
import { checkReference, isImageOf } from './image-references.ts';

export interface DockerImageServiceOptions {
  readonly engine: DockerEngine;
  readonly link: EngineLink;
  readonly cache: ImageCache;
  readonly clock: Clock;
  /** References shown as pinned: image garbage collection leaves them alone. */
  readonly pinned: readonly string[];
  readonly pullProgressDeadlineMs: number;
}

/** The image verbs on Docker Engine. */
export class DockerImageService implements ImageService {
  readonly #options: DockerImageServiceOptions;

  constructor(options: DockerImageServiceOptions) {
    this.#options = options;
  }

  async listImages(filter: { readonly image?: string }, signal: AbortSignal): Promise<Image[]> {
    await this.#options.link.connected(signal);
    if (filter.image !== undefined && filter.image !== '') {
      const image = await this.#inspect(filter.image, signal);
      return image === undefined ? [] : [this.#toImage(image)];
    }
    return (await this.#options.engine.listImages(undefined, signal)).map((image) => this.#toImage(image));
  }

  async imageStatus(spec: ImageSpec, signal: AbortSignal): Promise<Image | undefined> {
    await this.#options.link.connected(signal);
    const image = await this.#inspect(spec.image, signal);
    return image === undefined ? undefined : this.#toImage(image);
  }

  async pullImage(spec: ImageSpec, auth: AuthConfig | undefined, _sandbox: unknown, signal: AbortSignal): Promise<string> {
    const { engine, link, cache } = this.#options;
    const reference = checkReference(spec.image);
    await link.connected(signal);
    await this.#pull(reference, auth === undefined ? undefined : registryAuth(auth), signal);
    cache.clear();
    const image = await engine.inspectImage(reference, signal);
    cache.put(image);
    return image.id;
  }

  async removeImage(spec: ImageSpec, signal: AbortSignal): Promise<void> {
    const { engine, link, cache } = this.#options;
    await link.connected(signal);
    const image = await this.#inspect(spec.image, signal);
    if (image === undefined) return;
    try {
      // The engine lets go of an image only with its last name; digests go with the tags of their repository.
      for (const reference of [...image.repoTags, ...image.repoDigests, image.id]) await engine.removeImage(reference, signal);
    } finally {
      cache.clear();
    }
  }

  async imageFsInfo(
    signal: AbortSignal,
  ): Promise<{ readonly imageFilesystems: readonly FilesystemUsage[]; readonly containerFilesystems: readonly FilesystemUsage[] }> {
    const { info } = await this.#options.link.connected(signal);
    const usage = await filesystemUsage(info.rootDirectory, this.#options.clock);
    return { imageFilesystems: [usage], containerFilesystems: [usage] };
  }

  async #inspect(reference: string, signal: AbortSignal): Promise<EngineImage | undefined> {
    checkReference(reference);
    try {
      const image = await this.#options.engine.inspectImage(reference, signal);
      if (!isImageOf(reference, image)) return undefined;
      this.#options.cache.put(image);
      return image;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Cancels a pull that moves no byte for the progress deadline (dockershim kube_docker_client.go progressReporter). */
  async #pull(reference: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<void> {
    const { engine, clock, pullProgressDeadlineMs: limitMs } = this.#options;
    const control = new AbortController();
    const onAbort = (): void => control.abort(signal.reason);
    const onStall = (): void => control.abort(new DeadlineExceededError(`pulling image ${reference} without moving a byte`, limitMs));
    signal.throwIfAborted();
    signal.addEventListener('abort', onAbort, { once: true });
    let timer = clock.after(limitMs, onStall);
    const seen = new Map<string, string>();
    try {
      await engine.pullImage(
        reference,
        auth,
        (message: PullProgress) => {
          const state = `${message.status} ${String(message.current)}`;
          if (seen.get(message.id) === state) return;
          seen.set(message.id, state);
          timer.cancel();
          timer = clock.after(limitMs, onStall);
        },
        control.signal,
      );
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  #toImage(image: EngineImage): Image {
    const pinned = this.#options.pinned.some((reference) => isImageOf(reference, image));
    return {
      id: image.id,
      repoTags: image.repoTags,
      repoDigests: image.repoDigests,
      size: image.size,
      ...imageUser(image.user ?? ''),
      pinned,
      spec: { image: image.id },
    };
  }
}

/** uid or name out of `user[:group]` (dockershim image.go getUserFromImageUser). */
function imageUser(user: string): { uid: number } | { username: string } | Record<never, never> {
  const [name = ''] = user.split(':');
  if (name === '') return {};
  return /^\d+$/.test(name) ? { uid: Number(name) } : { username: name };
}

/** `auth` is user and password in one, as Docker's configuration file has them. */
function registryAuth(auth: AuthConfig): RegistryAuth {
  const [username, password] = auth.auth === undefined || auth.auth === '' ? [auth.username, auth.password] : splitAuth(auth.auth);
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(auth.serverAddress === undefined ? {} : { serveraddress: auth.serverAddress }),
    ...(auth.identityToken === undefined ? {} : { identitytoken: auth.identityToken }),
    ...(auth.registryToken === undefined ? {} : { registrytoken: auth.registryToken }),
  };
}

function splitAuth(auth: string): [string, string] {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Use of the whole file system that holds a directory. @throws NotFoundError when the engine's directory is not on this machine */
async function filesystemUsage(directory: string, clock: Clock): Promise<FilesystemUsage> {
  try {
    await stat(directory);
  } catch (error) {
    throw new NotFoundError(`the engine's directory ${directory} is not on this machine`, { cause: error });
  }
  const { blocks, bfree, bsize, files, ffree } = await statfs(directory, { bigint: true });
  return {
    timestamp: BigInt(clock.now()) * 1_000_000n,
    mountpoint: directory,
    usedBytes: (blocks - bfree) * bsize,
    inodesUsed: files - ffree,
  };
}
