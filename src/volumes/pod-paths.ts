/** Where a pod's volumes are, the kubelet's names (pkg/kubelet/kubelet_getters.go). */
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';

/** `kubernetes.io/config-map` would become `kubernetes.io~config-map`: a plugin's name as a directory. */
export type PluginName =
  | 'kubernetes.io/configmap'
  | 'kubernetes.io/downward-api'
  | 'kubernetes.io/empty-dir'
  | 'kubernetes.io/local-volume'
  | 'kubernetes.io/projected'
  | 'kubernetes.io/secret';

export const VOLUMES = 'volumes';
export const SUB_PATHS = 'volume-subpaths';
export const PLUGINS = 'plugins';

/** Only the agent and root look into a pod's directories. */
export const POD_DIRECTORY_MODE = 0o750;

export interface PodPaths {
  /** `<pods>/<uid>` @throws InvalidInputError for a UID that is no single path element */
  pod(uid: string): string;
  /** `<pods>/<uid>/volumes/kubernetes.io~empty-dir` */
  plugin(uid: string, plugin: PluginName): string;
  /** `<pods>/<uid>/volumes/kubernetes.io~empty-dir/<name>` */
  volume(uid: string, plugin: PluginName, name: string): string;
  /** `<pods>/<uid>/plugins/kubernetes.io~empty-dir/<name>`: what the agent remembers of it. */
  meta(uid: string, plugin: PluginName, name: string): string;
  /** `<pods>/<uid>/volume-subpaths/<volume>/<container>/<index>` */
  subPath(uid: string, volume: string, container: string, index: number): string;
}

export function createPodPaths(podsDirectory: string): PodPaths {
  const pod = (uid: string): string => path.join(podsDirectory, element('pod UID', uid));
  const escaped = (plugin: PluginName): string => plugin.replace('/', '~');
  return {
    pod,
    plugin: (uid, plugin) => path.join(pod(uid), VOLUMES, escaped(plugin)),
    volume: (uid, plugin, name) => path.join(pod(uid), VOLUMES, escaped(plugin), element('volume name', name)),
    meta: (uid, plugin, name) => path.join(pod(uid), PLUGINS, escaped(plugin), element('volume name', name)),
    subPath: (uid, volume, container, index) =>
      path.join(pod(uid), SUB_PATHS, element('volume name', volume), element('container name', container), String(index)),
  };
}

/** The API checks these names; manifests from elsewhere may not have been. A wrong one would reach outside the pod's directory. */
function element(what: string, name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}$/.test(name)) {
    throw new InvalidInputError(`${what} ${JSON.stringify(name)} cannot be a directory name`);
  }
  return name;
}
