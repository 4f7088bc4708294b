import type { VolumeSpec } from '../../api/types.ts';
import { createConfigMapPlugin } from './config-map.ts';
import { createDownwardApiPlugin } from './downward-api.ts';
import { createEmptyDirPlugin } from './empty-dir.ts';
import { createHostPathPlugin } from './host-path.ts';
import { createImagePlugin } from './image.ts';
import { createPersistentVolumeClaimPlugin, noPlugin } from './persistent-volume-claim.ts';
import { VolumeFailure, type PluginContext, type VolumePlugin } from './plugin.ts';
import { createProjectedPlugin } from './projected.ts';
import { createSecretPlugin } from './secret.ts';

type Source = Exclude<keyof VolumeSpec, 'name'>;

/** Answers the plugin for a volume's source. @throws VolumeFailure when there is none */
export type FindPlugin = (volume: VolumeSpec) => VolumePlugin;

export function createPluginRegistry(context: PluginContext): FindPlugin {
  const claims = createPersistentVolumeClaimPlugin(context);
  const emptyDir = createEmptyDirPlugin(context);
  const plugins: ReadonlyMap<Source, VolumePlugin> = new Map<Source, VolumePlugin>([
    ['configMap', createConfigMapPlugin(context)],
    ['downwardAPI', createDownwardApiPlugin(context)],
    ['emptyDir', emptyDir],
    ['ephemeral', claims],
    ['hostPath', createHostPathPlugin(context)],
    ['image', createImagePlugin(context)],
    ['persistentVolumeClaim', claims],
    ['projected', createProjectedPlugin(context)],
    ['secret', createSecretPlugin(context)],
  ]);
  return (volume) => {
    for (const [source, plugin] of plugins) {
      if ((volume[source] ?? undefined) !== undefined) return plugin;
    }
    if (volume.csi !== undefined) {
      throw new VolumeFailure(
        `MountVolume.SetUp failed for volume "${volume.name}" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name ${volume.csi.driver} not found in the list of registered CSI drivers`,
      );
    }
    if (Object.keys(volume).length === 1) return emptyDir; // the API server's default, for manifests that never saw one
    throw noPlugin(volume.name);
  };
}
