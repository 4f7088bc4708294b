import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeSpec } from '../../api/types.ts';
import { matchesFields, matchesRequirement } from '../../api/selectors.ts';
import { errorMessage } from '../../lib/errors.ts';
import { isUsedAsDevice } from '../pod-volumes.ts';
import { createHostPathVolumePlugin } from './host-path.ts';
import { createLocalVolumePlugin } from './local-volume.ts';
import { VolumeFailure, type PersistentVolumePlugin, type PluginContext, type VolumePlugin } from './plugin.ts';

const PROTECTION_FINALIZER = 'kubernetes.io/pvc-protection';

type NodeSelectorTerm = NonNullable<
  NonNullable<NonNullable<NonNullable<PersistentVolume['spec']>['nodeAffinity']>['required']>['nodeSelectorTerms']
>[number];

/**
 * Claims, by name or made for the pod (`ephemeral`), bound to persistent volumes that are host paths or local directories
 * (kubelet pkg/kubelet/volumemanager/populator, pkg/volume/util/operationexecutor).
 */
export function createPersistentVolumeClaimPlugin(context: PluginContext): VolumePlugin {
  const { objects } = context;
  const hostPath = createHostPathVolumePlugin(context);
  const local = createLocalVolumePlugin(context);

  async function boundClaim(pod: Pod, claimName: string, isEphemeral: boolean, signal: AbortSignal): Promise<PersistentVolumeClaim> {
    const { namespace } = pod.metadata;
    const claim = await objects.persistentVolumeClaim(namespace, claimName, signal).catch((error: unknown) => {
      throw new Error(`failed to fetch PVC from API server: ${errorMessage(error)}`, { cause: error });
    });
    if (claim === undefined) {
      throw new Error(`failed to fetch PVC from API server: persistentvolumeclaims "${claimName}" not found`);
    }
    const { deletionTimestamp, finalizers, ownerReferences } = claim.metadata ?? {};
    if (deletionTimestamp !== undefined && finalizers?.includes(PROTECTION_FINALIZER) !== true) throw new Error('PVC is being deleted');
    if (claim.status?.phase !== 'Bound') throw new Error('PVC is not bound');
    if ((claim.spec?.volumeName ?? '') === '') throw new Error('PVC has empty pvc.Spec.VolumeName');
    if (isEphemeral && ownerReferences?.some(({ controller, uid }) => controller === true && uid === pod.metadata.uid) !== true) {
      throw new NotOwnClaimError(
        `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
      );
    }
    return claim;
  }

  async function volumeOf(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<PersistentVolume> {
    const name = claim.spec?.volumeName ?? '';
    const volume = await objects.persistentVolume(name, signal).catch((error: unknown) => {
      throw new Error(`failed to fetch PV ${name} from API server: ${errorMessage(error)}`, { cause: error });
    });
    if (volume === undefined) throw new Error(`failed to fetch PV ${name} from API server: persistentvolumes "${name}" not found`);
    const reference = volume.spec?.claimRef;
    if (reference === undefined) {
      throw new Error(`found PV object ${name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`);
    }
    if (reference.uid !== claim.metadata?.uid) {
      throw new Error(
        `found PV object ${name} but its pv.Spec.ClaimRef.UID ${reference.uid} does not point to claim.UID ${claim.metadata?.uid}`,
      );
    }
    return volume;
  }

  async function resolve(pod: Pod, spec: VolumeSpec, signal: AbortSignal): Promise<PersistentVolume> {
    const isEphemeral = spec.persistentVolumeClaim === undefined;
    const claimName = spec.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${spec.name}`;
    try {
      return await volumeOf(await boundClaim(pod, claimName, isEphemeral, signal), signal);
    } catch (error) {
      signal.throwIfAborted();
      const { message } = error as Error;
      throw unprocessed(
        spec.name,
        error instanceof NotOwnClaimError ? message : `error processing PVC ${pod.metadata.namespace}/${claimName}: ${message}`,
        error,
      );
    }
  }

  function pluginFor(volume: PersistentVolume, name: string): PersistentVolumePlugin {
    if (volume.spec?.hostPath !== undefined) return hostPath;
    if (volume.spec?.local !== undefined) return local;
    throw noPlugin(name);
  }

  return {
    async setUp({ pod, spec }, signal) {
      const volume = await resolve(pod, spec, signal);
      const volumeName = volume.metadata?.name ?? spec.name;
      checkMode(volume, pod, spec.name);
      const plugin = pluginFor(volume, volumeName);
      if (!matchesNodeAffinity(context, volume)) {
        throw new VolumeFailure(`MountVolume.NodeAffinity check failed for volume "${volumeName}" : no matching NodeSelectorTerms`);
      }
      if ((volume.spec?.mountOptions ?? []).length > 0 && !plugin.supportsMountOptions) {
        throw new VolumeFailure(
          `MountVolume.MountOptionSupport check failed for volume "${volumeName}" : mount options are not supported for this volume type`,
        );
      }
      const readOnly = spec.persistentVolumeClaim?.readOnly === true;
      try {
        return await plugin.setUp(pod, { name: spec.name, volume, volumeName, readOnly }, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw new VolumeFailure(`MountVolume.SetUp failed for volume "${volumeName}" : ${errorMessage(error)}`, { cause: error });
      }
    },
  };
}

/** A failure before the volume's plugin is known, as the kubelet reports it. */
export function unprocessed(volumeName: string, message: string, cause?: unknown): VolumeFailure {
  return new VolumeFailure(
    `Unable to attach or mount volumes: unmounted volumes=[${volumeName}], unattached volumes=[], failed to process volumes=[${volumeName}]: ${message}`,
    { cause },
  );
}

export function noPlugin(volumeName: string): VolumeFailure {
  return unprocessed(volumeName, `failed to get Plugin from volumeSpec for volume "${volumeName}" err=no volume plugin matched`);
}

class NotOwnClaimError extends Error {}

function checkMode(volume: PersistentVolume, pod: Pod, name: string): void {
  const mode = volume.spec?.volumeMode ?? 'Filesystem';
  const isDevice = isUsedAsDevice(pod, name);
  if (mode !== 'Filesystem' && !isDevice) {
    throw unprocessed(name, `volume ${name} has volumeMode ${mode}, but is specified in volumeMounts`);
  }
  if (mode !== 'Block' && isDevice) throw unprocessed(name, `volume ${name} has volumeMode ${mode}, but is specified in volumeDevices`);
  if (mode === 'Block') throw unprocessed(name, `volume ${name} has volumeMode Block, which this node agent does not support`);
}

/** Terms are alternatives; what a term says must all hold (component-helpers storage/volume CheckNodeAffinity). */
function matchesNodeAffinity({ node }: PluginContext, volume: PersistentVolume): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  if (required === undefined) return true;
  const labels = node.labels();
  const matches = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean =>
    matchExpressions.length + matchFields.length > 0 &&
    matchExpressions.every((requirement) => matchesRequirement(requirement, labels)) &&
    matchFields.every(
      ({ key, operator, values }) =>
        (operator === 'In' || operator === 'NotIn') &&
        matchesFields([{ path: key, equal: operator === 'In', value: values?.[0] ?? '' }], { metadata: { name: node.nodeName } }),
    );
  return required.nodeSelectorTerms.some(matches);
}
