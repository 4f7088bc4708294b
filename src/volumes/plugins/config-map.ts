import { configMapFiles, DEFAULT_FILE_MODE } from '../payloads.ts';
import { createContentPlugin } from './content.ts';
import { objectKey, readConfigMap } from './objects.ts';
import type { PluginContext, PodVolume, VolumePlugin } from './plugin.ts';

/** kubelet pkg/volume/configmap. */
export function createConfigMapPlugin(context: PluginContext): VolumePlugin {
  const sourceOf = ({ spec }: PodVolume) => {
    const { name = '', optional = false, items, defaultMode = DEFAULT_FILE_MODE } = spec.configMap ?? {};
    return { name, optional, items, defaultMode };
  };
  return createContentPlugin(context, {
    plugin: 'kubernetes.io/configmap',
    inMemory: false,
    async collect(volume, signal) {
      const source = sourceOf(volume);
      return { payload: configMapFiles(await readConfigMap(context, volume.pod, source, signal), source) };
    },
    sources: (volume) => ({ objects: [objectKey('ConfigMap', volume.pod, sourceOf(volume).name)], podItself: false }),
  });
}
