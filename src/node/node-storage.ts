import type { Clock } from '../lib/clock.ts';
import { readFilesystem, type FilesystemFacts } from '../resources/filesystem.ts';
import type { ImageService } from '../runtime/types.ts';
import type { NodeStoragePort } from './types.ts';

/** Where images are kept changes with the engine's configuration only; asking an engine may make it add up every image. */
const MOUNT_POINT_MAX_AGE_MS = 60 * 60_000;

export interface NodeStorageDeps {
  readonly rootDirectory: string;
  readonly images: Pick<ImageService, 'imageFsInfo'>;
  readonly clock: Clock;
}

/** File systems of the node: the root directory's, and that of the images if it is on this machine. */
export function createNodeStorage({ rootDirectory, images, clock }: NodeStorageDeps): NodeStoragePort {
  let known: { readonly mountPoint: string | undefined; readonly readAt: number } | undefined;
  return {
    nodeFs: () => readFilesystem(rootDirectory),
    async imageFs(signal) {
      if (known === undefined || clock.monotonic() - known.readAt >= MOUNT_POINT_MAX_AGE_MS) {
        const { imageFilesystems } = await images.imageFsInfo(signal);
        known = { mountPoint: imageFilesystems[0]?.mountpoint, readAt: clock.monotonic() };
      }
      return known.mountPoint === undefined || known.mountPoint === '' ? undefined : readOptional(known.mountPoint);
    },
  };
}

/** A remote engine's directory is not here. */
async function readOptional(directory: string): Promise<FilesystemFacts | undefined> {
  return readFilesystem(directory).catch(() => undefined);
}
