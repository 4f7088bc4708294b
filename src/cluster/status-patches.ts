/** Writes of status: only what changed goes out, so that what others wrote stays (kubelet pkg/util/pod/pod.go, component-helpers node/util/status.go). */
import type { NodeObject, Pod, PodStatus } from '../api/types.ts';
import { isNotFound } from '../lib/errors.ts';
import { NODES, PODS } from './resources.ts';
import { createStrategicPatch, jsonEqual, type MergeKeys } from './strategic-merge.ts';
import type { ApiClient } from './types.ts';

/** patchMergeKey of core/v1's PodStatus. */
const POD_STATUS_KEYS: MergeKeys = {
  conditions: 'type',
  hostIPs: 'ip',
  podIPs: 'ip',
  resourceClaimStatuses: 'name',
  nodeAllocatableResourceClaimStatuses: 'resourceClaimName',
};
/** patchMergeKey of core/v1's NodeStatus; addresses are replaced by hand. */
const NODE_STATUS_KEYS: MergeKeys = { conditions: 'type' };

/** Names the pod that is meant; another of the same name is left alone. */
export interface PodIdentity {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/**
 * The patch of a pod's status with its UID as precondition; `undefined` when there is nothing to write. `before` is what the server
 * has, `after` what it should have.
 */
export function podStatusPatch(pod: PodIdentity, before: PodStatus, after: PodStatus): Record<string, unknown> | undefined {
  const status = createStrategicPatch(before, after, POD_STATUS_KEYS);
  return status === undefined ? undefined : { metadata: { uid: pod.metadata.uid }, status };
}

/**
 * Writes the change of a pod's status and answers the pod as it is then; `undefined` when there was nothing to write.
 * @throws NotFoundError when the pod is gone, InvalidInputError when another has taken its name
 */
export async function patchPodStatus(
  client: Pick<ApiClient, 'patch'>,
  pod: PodIdentity,
  before: PodStatus,
  after: PodStatus,
  signal: AbortSignal,
): Promise<Pod | undefined> {
  const body = podStatusPatch(pod, before, after);
  if (body === undefined) return undefined;
  const { namespace, name } = pod.metadata;
  return client.patch(PODS, { namespace, name, subresource: 'status' }, { type: 'strategic-merge', body }, signal);
}

/**
 * Removes the API object of a pod that has come to its end, at once, if it still is this one. A pod that is gone is success.
 * @throws ConflictError when another has taken its name
 */
export async function deletePod(client: Pick<ApiClient, 'delete'>, pod: PodIdentity, signal: AbortSignal): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  try {
    await client.delete(PODS, { namespace, name }, { uid, gracePeriodSeconds: 0 }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/**
 * The patch of a node's status (and labels and annotations); `undefined` when there is nothing to write. The spec is not touched.
 * Conditions, labels, annotations and resources that `before` and `after` have in common do not appear in it.
 */
export function nodeStatusPatch(before: NodeObject, after: NodeObject): Record<string, unknown> | undefined {
  const { addresses: oldAddresses, ...oldStatus } = before.status ?? {};
  const { addresses, ...status } = after.status ?? {};
  const { labels: oldLabels, annotations: oldAnnotations } = before.metadata;
  const { labels, annotations } = after.metadata;
  const patch = createStrategicPatch(
    { metadata: { labels: oldLabels, annotations: oldAnnotations }, status: oldStatus },
    { metadata: { labels, annotations }, status },
    NODE_STATUS_KEYS,
  );
  if (jsonEqual(oldAddresses ?? [], addresses ?? [])) return patch;
  // Their merge key is the type, of which there may be several: only replacing the list is right.
  const rest = typeof patch?.['status'] === 'object' ? patch['status'] : {};
  return { ...patch, status: { ...rest, addresses: [...(addresses ?? []), { $patch: 'replace' }] } };
}

/** Writes the change of a node's status and answers the node as it is then; `undefined` when there was nothing to write. @throws NotFoundError */
export async function patchNodeStatus(
  client: Pick<ApiClient, 'patch'>,
  before: NodeObject,
  after: NodeObject,
  signal: AbortSignal,
): Promise<NodeObject | undefined> {
  const body = nodeStatusPatch(before, after);
  if (body === undefined) return undefined;
  return client.patch(NODES, { name: before.metadata.name, subresource: 'status' }, { type: 'strategic-merge', body }, signal);
}
