import { mkdir, stat } from 'node:fs/promises';
import { FailedPreconditionError, InvalidInputError, UnimplementedError } from '../lib/errors.ts';
import type { Mount } from '../runtime/types.ts';
import type { MountSpec } from './engine.ts';

/** First API in which read-only mounts can be told to be recursive or not; before it they never are. */
const RECURSIVE_READ_ONLY_API = 44;

/**
 * Bind mounts in the engine's form. `private` leaves the propagation to the engine, which makes it a slave where it must
 * (dockershim libdocker helpers.go generateMountBindings).
 *
 * @param apiVersion as negotiated, `1.41`
 */
export function engineMounts(mounts: readonly Mount[], apiVersion: string): MountSpec[] {
  const knowsRecursion = Number(apiVersion.split('.')[1] ?? 0) >= RECURSIVE_READ_ONLY_API;
  return mounts.map((mount): MountSpec => {
    if (mount.image !== undefined) {
      throw new UnimplementedError(`mount ${mount.containerPath}: images cannot be mounted with Docker API ${apiVersion}`);
    }
    if ((mount.uidMappings?.length ?? 0) > 0 || (mount.gidMappings?.length ?? 0) > 0) {
      throw new UnimplementedError(`mount ${mount.containerPath}: id-mapped mounts (uidMappings) cannot be made by Docker Engine`);
    }
    if (mount.recursiveReadOnly === true) checkRecursiveReadOnly(mount, knowsRecursion, apiVersion);
    return {
      Type: 'bind',
      Source: mount.hostPath,
      Target: mount.containerPath,
      ReadOnly: mount.readonly,
      BindOptions: {
        ...(mount.propagation === 'private' ? {} : { Propagation: mount.propagation === 'bidirectional' ? 'rshared' : 'rslave' }),
        ...(mount.readonly && knowsRecursion && mount.recursiveReadOnly !== true ? { ReadOnlyNonRecursive: true } : {}),
        ...(mount.recursiveReadOnly === true ? { ReadOnlyForceRecursive: true } : {}),
      },
    };
  });
}

/** Makes the directories that mounts start from and that do not exist (what containerd does; the engine refuses them). */
export async function makeMountSources(mounts: readonly Mount[]): Promise<void> {
  await Promise.all(mounts.filter((mount) => mount.hostPath !== '').map((mount) => makeSource(mount.hostPath)));
}

async function makeSource(hostPath: string): Promise<void> {
  try {
    await stat(hostPath);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) return; // the engine may still reach it, and tells if not
    try {
      await mkdir(hostPath, { recursive: true, mode: 0o755 });
    } catch (cause) {
      throw new FailedPreconditionError(`cannot make the directory ${hostPath} to mount`, { cause });
    }
  }
}

function checkRecursiveReadOnly(mount: Mount, knowsRecursion: boolean, apiVersion: string): void {
  const where = `mount ${mount.containerPath}: recursiveReadOnly`;
  if (!mount.readonly) throw new InvalidInputError(`${where} needs readonly`);
  if (mount.propagation !== 'private') throw new InvalidInputError(`${where} needs private propagation`);
  if (!knowsRecursion) throw new UnimplementedError(`${where} needs Docker API 1.${String(RECURSIVE_READ_ONLY_API)}, not ${apiVersion}`);
}
