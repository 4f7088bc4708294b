import { PODS } from '../cluster/resources.ts';
import type { ApiClient } from '../cluster/types.ts';
import type { MirrorPodWriter, PodStatusWriter } from '../pods/ports.ts';

/** Pod statuses and mirror pods, written through the REST client. */
export function podWriter(client: ApiClient): PodStatusWriter & MirrorPodWriter {
  return {
    patchPodStatus: ({ namespace, name }, body, signal) =>
      client.patch(PODS, { namespace, name, subresource: 'status' }, { type: 'strategic-merge', body }, signal),
    deletePod: ({ namespace, name, uid }, gracePeriodSeconds, signal) =>
      client.delete(PODS, { namespace, name }, { uid, gracePeriodSeconds }, signal),
    createPod: (pod, signal) => client.create(PODS, { namespace: pod.metadata.namespace }, pod, signal),
  };
}
