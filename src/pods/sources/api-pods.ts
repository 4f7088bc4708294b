/** This node's pods from the API server. */
import type { Pod } from '../../api/types.ts';
import type { Logger } from '../../lib/log.ts';
import { CONFIG_SOURCE_ANNOTATION, isMirrorPod } from '../pod-kinds.ts';
import type { PodManager } from '../pod-manager.ts';
import type { PodFeed } from '../ports.ts';
import { describeMalformedPod, isPod } from './pod-shape.ts';

/** Where the watch of pods delivers. A malformed object is told about and otherwise as if it had not come. */
export function createApiPodFeed(pods: PodManager, log: Logger): PodFeed {
  const accepted = (object: unknown): Pod[] => {
    if (isPod(object)) return [asFromApi(object)];
    log.error('A pod of the API server is malformed and is left alone', { complaint: describeMalformedPod(object) });
    return [];
  };
  return {
    replace: (objects) => pods.replace('api', objects.flatMap(accepted)),
    upsert: (object) => accepted(object).forEach((pod) => pods.upsert('api', pod)),
    remove: (object) => accepted(object).forEach((pod) => pods.remove('api', pod)),
  };
}

/** Nobody makes a static pod out of an API object by an annotation. */
function asFromApi(pod: Pod): Pod {
  const { annotations } = pod.metadata;
  if (annotations?.[CONFIG_SOURCE_ANNOTATION] === undefined || isMirrorPod(pod)) return pod;
  const kept = Object.fromEntries(Object.entries(annotations).filter(([key]) => key !== CONFIG_SOURCE_ANNOTATION));
  return { ...pod, metadata: { ...pod.metadata, annotations: kept } };
}
