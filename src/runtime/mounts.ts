/** A container's volume mounts (kubelet pkg/kubelet/kubelet_pods.go makeMounts). */
import path from 'node:path';
import type { AnyContainerSpec, Pod, VolumeMountSpec } from '../api/types.ts';
import { InvalidInputError, NotFoundError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { expand } from './expansion.ts';
import type { MountedVolume, VolumePort } from './ports.ts';
import type { ImageSpec, Mount, MountPropagation } from './types.ts';

export const ETC_HOSTS = '/etc/hosts';

export interface MountsInput {
  readonly pod: Pod;
  readonly container: AnyContainerSpec;
  readonly volumes: ReadonlyMap<string, MountedVolume>;
  /** For `subPathExpr`. */
  readonly environment: ReadonlyMap<string, string>;
  readonly runtimeHandler: string;
  readonly resolveSubPath: VolumePort['resolveSubPath'];
  /** Whether the pod's runtime handler can mount read-only with everything below; asked only by pods that want it. */
  readonly supportsRecursiveReadOnly: (signal: AbortSignal) => Promise<boolean>;
}

/** @throws NotFoundError or InvalidInputError naming the volume or path */
export async function volumeMounts(input: MountsInput, signal: AbortSignal): Promise<Mount[]> {
  const { container, volumes } = input;
  const [device] = container.volumeDevices ?? [];
  if (device) throw new NotFoundError(`cannot find volume ${quote(device.name)} to pass into container ${quote(container.name)}`);
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = volumes.get(mount.name);
    if (volume === undefined) {
      throw new NotFoundError(`cannot find volume ${quote(mount.name)} to mount into container ${quote(container.name)}`);
    }
    mounts.push(await volumeMount(input, volume, mount, index, signal));
  }
  return mounts;
}

/** Whether the container has something of its own at /etc/hosts. */
export function mountsEtcHosts(container: AnyContainerSpec): boolean {
  return (container.volumeMounts ?? []).some(({ mountPath }) => mountPath === ETC_HOSTS);
}

async function volumeMount(
  input: MountsInput,
  volume: MountedVolume,
  mount: VolumeMountSpec,
  index: number,
  signal: AbortSignal,
): Promise<Mount> {
  const subPath = subPathOf(mount, input.environment);
  const recursiveReadOnly = await resolveRecursiveReadOnly(mount, input.supportsRecursiveReadOnly, signal);
  const common = {
    containerPath: path.posix.isAbsolute(mount.mountPath) ? mount.mountPath : `/${mount.mountPath}`,
    readonly: mount.readOnly === true || volume.readOnly,
    propagation: propagationOf(mount),
    ...(recursiveReadOnly ? { recursiveReadOnly } : {}),
  };
  if (volume.image) {
    const image: ImageSpec = {
      image: volume.image.imageId,
      userSpecifiedImage: volume.image.reference,
      ...(input.runtimeHandler === '' ? {} : { runtimeHandler: input.runtimeHandler }),
    };
    return { ...common, hostPath: '', selinuxRelabel: false, image, ...(subPath === '' ? {} : { imageSubPath: subPath }) };
  }
  const hostPath = subPath === '' ? volume.hostPath : await hostSubPath(input, volume, mount, index, subPath, signal);
  return { ...common, hostPath, selinuxRelabel: volume.selinuxRelabel };
}

function subPathOf(mount: VolumeMountSpec, environment: ReadonlyMap<string, string>): string {
  const subPath = isSet(mount.subPathExpr) ? expandSubPath(mount.subPathExpr, environment) : (mount.subPath ?? '');
  if (path.posix.isAbsolute(subPath)) throw new InvalidInputError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) throw new InvalidInputError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  return subPath;
}

/** Unlike in commands, a reference to nothing is an error here: the path would not be the one that was meant. */
function expandSubPath(expression: string, environment: ReadonlyMap<string, string>): string {
  const missing = new Set<string>();
  const expanded = expand(expression, (name) => {
    const value = environment.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  });
  if (missing.size > 0) throw new InvalidInputError(`missing value for ${[...missing].sort().join(', ')}`);
  return expanded;
}

async function hostSubPath(
  { pod, container, resolveSubPath }: MountsInput,
  volume: MountedVolume,
  mount: VolumeMountSpec,
  index: number,
  subPath: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await resolveSubPath(pod, volume, container.name, index, subPath, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const message = `failed to prepare subPath for volumeMount ${quote(mount.name)} of container ${quote(container.name)}`;
    throw new Error(message, { cause: error });
  }
}

async function resolveRecursiveReadOnly(
  mount: VolumeMountSpec,
  supported: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<boolean> {
  const { recursiveReadOnly: mode = 'Disabled', mountPropagation = 'None' } = mount;
  if (mode === 'Disabled') return false;
  const request = `volume ${quote(mount.name)} requested recursive read-only mode`;
  if (mount.readOnly !== true) throw new InvalidInputError(`${request}, but it is not read-only`);
  if (mountPropagation !== 'None') {
    throw new InvalidInputError(`${request}, but it is not compatible with propagation ${quote(mountPropagation)}`);
  }
  if (mode !== 'IfPossible' && mode !== 'Enabled') throw new InvalidInputError(`unknown recursive read-only mode ${quote(mode)}`);
  const possible = await supported(signal);
  if (mode === 'Enabled' && !possible) throw new InvalidInputError(`${request}, but it is not supported by the runtime`);
  return possible;
}

function propagationOf({ mountPropagation }: VolumeMountSpec): MountPropagation {
  switch (mountPropagation) {
    case undefined:
    case 'None':
      return 'private';
    case 'HostToContainer':
      return 'hostToContainer';
    case 'Bidirectional':
      return 'bidirectional';
    default:
      throw new InvalidInputError(`invalid MountPropagation mode: ${quote(mountPropagation)}`);
  }
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
