import { DEFAULT_FILE_MODE, downwardFiles, type DownwardNode } from '../payloads.ts';
import { createContentPlugin } from './content.ts';
import type { PluginContext, VolumePlugin } from './plugin.ts';

/** kubelet pkg/volume/downwardapi. */
export function createDownwardApiPlugin(context: PluginContext): VolumePlugin {
  return createContentPlugin(context, {
    plugin: 'kubernetes.io/downward-api',
    inMemory: true,
    async collect({ pod, spec }) {
      const { items = [], defaultMode = DEFAULT_FILE_MODE } = spec.downwardAPI ?? {};
      return { payload: downwardFiles(items, pod, defaultMode, downwardNode(context)) };
    },
    sources: () => ({ objects: [], podItself: true }),
  });
}

/** What files of the downward API can show of the node. Pod addresses are not offered in volumes. */
export function downwardNode({ node }: PluginContext): DownwardNode {
  return { hostIPs: node.hostIPs(), podIPs: [], allocatable: node.allocatable() };
}
