/** References to objects, as events carry them. */
import type { ObjectReference, Pod } from './types.ts';

/** The pod, or one of its fields (`spec.containers{name}`). */
export function podReference(pod: Pod, fieldPath?: string): ObjectReference {
  const { namespace, name, uid, resourceVersion } = pod.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace,
    name,
    uid,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}

/** The container inside its pod; for one that the pod does not name (the sandbox's) upstream's wording (kubelet pkg/kubelet/container/ref.go). */
export function containerReference(pod: Pod, containerName: string): ObjectReference {
  return podReference(pod, containerFieldPath(pod, containerName) ?? `implicitly required container ${containerName}`);
}

/** `spec.containers{name}`, `spec.initContainers{name}` or `spec.ephemeralContainers{name}`. */
export function containerFieldPath(pod: Pod, containerName: string): string | undefined {
  const { containers, initContainers, ephemeralContainers } = pod.spec;
  const lists = { containers, initContainers, ephemeralContainers };
  for (const [field, list] of Object.entries(lists)) {
    if (list?.some((container) => container.name === containerName) === true) return `spec.${field}{${containerName}}`;
  }
  return undefined;
}

/** The node. `uid` is left out until the Node object is known (kubelet pkg/kubelet/kubelet_node_status.go). */
export function nodeReference(name: string, uid?: string): ObjectReference {
  return { apiVersion: 'v1', kind: 'Node', name, ...(uid === undefined ? {} : { uid }) };
}
