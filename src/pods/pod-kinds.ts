/** Static pods and their mirrors, told apart by the kubelet's annotations (kubelet pkg/kubelet/types/pod_update.go). */
import type { Pod } from '../api/types.ts';

/** `file`, `http` or `api`; on pods of this node. */
export const CONFIG_SOURCE_ANNOTATION = 'kubernetes.io/config.source';
/** Hash of the manifest; with {@link CONFIG_MIRROR_ANNOTATION} on the mirror pod. */
export const CONFIG_HASH_ANNOTATION = 'kubernetes.io/config.hash';
export const CONFIG_MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
/** When the agent saw the pod first, RFC 3339. */
export const CONFIG_SEEN_ANNOTATION = 'kubernetes.io/config.seen';

/** From a manifest rather than from the API. */
export function isStaticPod(pod: Pod): boolean {
  const source = pod.metadata.annotations?.[CONFIG_SOURCE_ANNOTATION];
  return (source === 'file' || source === 'http') && !isMirrorPod(pod);
}

/** An API object that shows a static pod; never run. */
export function isMirrorPod(pod: Pod): boolean {
  return pod.metadata.annotations?.[CONFIG_MIRROR_ANNOTATION] !== undefined;
}
