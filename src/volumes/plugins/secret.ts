import { DEFAULT_FILE_MODE, secretFiles } from '../payloads.ts';
import { createContentPlugin } from './content.ts';
import { objectKey, readSecret } from './objects.ts';
import type { PluginContext, PodVolume, VolumePlugin } from './plugin.ts';

/** kubelet pkg/volume/secret. */
export function createSecretPlugin(context: PluginContext): VolumePlugin {
  const sourceOf = ({ spec }: PodVolume) => {
    const { secretName: name = '', optional = false, items, defaultMode = DEFAULT_FILE_MODE } = spec.secret ?? {};
    return { name, optional, items, defaultMode };
  };
  return createContentPlugin(context, {
    plugin: 'kubernetes.io/secret',
    inMemory: true,
    async collect(volume, signal) {
      const source = sourceOf(volume);
      return { payload: secretFiles(await readSecret(context, volume.pod, source, signal), source) };
    },
    sources: (volume) => ({ objects: [objectKey('Secret', volume.pod, sourceOf(volume).name)], podItself: false }),
  });
}
