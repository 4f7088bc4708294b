import type { AnyContainerSpec } from '../api/types.ts';
import { NotFoundError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { containerConfig } from './container-config.ts';
import { makeEnvironment } from './env.ts';
import type { Execution } from './execution.ts';
import { mountsEtcHosts, volumeMounts } from './mounts.ts';
import { hostsFileMount, terminationLogMount } from './pod-files.ts';
import { containerSecurityContext, type ImageUser } from './security-context.ts';
import type { ContainerConfig, Mount } from './types.ts';
import { readVolumeFile } from './volume-file.ts';

export interface BuildRequest {
  readonly container: AnyContainerSpec;
  readonly attempt: number;
  readonly image: ImageUser & { readonly imageId: string };
  /** Empty as long as the environment does not need them. */
  readonly podIPs: readonly string[];
  /** Container whose processes an ephemeral container joins. */
  readonly targetId?: string;
}

/** Everything about a container that comes from its pod, the host's files for it included. */
export async function buildContainer(execution: Execution, request: BuildRequest, signal: AbortSignal): Promise<ContainerConfig> {
  const { deps, pod, maskedPaths } = execution;
  const { container, image } = request;
  const defaults = { ...deps.settings, maskedPaths };
  const securityContext = containerSecurityContext(pod, container, image, defaults, request.targetId);
  const [volumes, runtimeHandler] = await Promise.all([execution.volumes(), execution.runtimeHandler()]);
  const environment = await makeEnvironment(
    {
      pod,
      container,
      objects: deps.objects,
      hostIPs: deps.node.hostIPs(),
      podIPs: request.podIPs,
      allocatable: deps.node.allocatable(),
      readVolumeFile: async (name, file) => {
        const volume = volumes.get(name);
        if (volume === undefined) throw new NotFoundError(`cannot find the volume ${quote(name)} referenced by FileKeyRef`);
        return readVolumeFile(volume.hostPath, file);
      },
    },
    signal,
  );
  const mounts = await volumeMounts(
    {
      pod,
      container,
      volumes,
      environment,
      runtimeHandler,
      resolveSubPath: deps.volumes.resolveSubPath.bind(deps.volumes),
      supportsRecursiveReadOnly: (limited) => supportsRecursiveReadOnly(execution, runtimeHandler, limited),
    },
    signal,
  );
  return containerConfig({
    pod,
    container,
    attempt: request.attempt,
    imageId: image.imageId,
    runtimeHandler,
    environment,
    mounts: withoutRelabelling([...mounts, ...(await managedMounts(execution, container))], deps.settings.selinuxEnabled),
    securityContext,
    resources: deps.cgroups.containerResources(pod, container),
  });
}

/** The hosts file, unless the container brings its own, and the termination log. */
async function managedMounts({ podDirectory }: Execution, container: AnyContainerSpec): Promise<Mount[]> {
  const mounts: Mount[] = [];
  if (!mountsEtcHosts(container)) mounts.push(await hostsFileMount(podDirectory));
  const { terminationMessagePath = '' } = container;
  if (terminationMessagePath !== '') mounts.push(await terminationLogMount(podDirectory, container.name, terminationMessagePath));
  return mounts;
}

function withoutRelabelling(mounts: Mount[], selinuxEnabled: boolean): Mount[] {
  return selinuxEnabled ? mounts : mounts.map((mount) => ({ ...mount, selinuxRelabel: false }));
}

async function supportsRecursiveReadOnly(execution: Execution, handler: string, signal: AbortSignal): Promise<boolean> {
  const { runtime } = execution.deps;
  const { runtimeHandlers } = await execution.call('Status', signal, (limited) => runtime.status({}, limited));
  return runtimeHandlers.find(({ name }) => name === handler)?.features.recursiveReadOnlyMounts ?? false;
}
