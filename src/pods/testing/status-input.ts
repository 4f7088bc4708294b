/** Inputs of podStatus for tests. */
import type { ContainerStatusObject, Pod, PodStatus } from '../../api/types.ts';
import { withoutProbes } from '../ports.ts';
import type { PodStatusInput } from '../status/types.ts';
import type { ObservedPod } from '../types.ts';
import { START } from './builders.ts';

/** A pod that is synced a minute after the start, on a node with one address and without probes. */
export function statusInput(pod: Pod, observed: ObservedPod | undefined, extra: Partial<PodStatusInput> = {}): PodStatusInput {
  return {
    pod,
    observed,
    previous: pod.status,
    terminal: false,
    isStatic: false,
    waiting: new Map(),
    probes: withoutProbes,
    terminationMessages: new Map(),
    hostIPs: ['192.0.2.1'],
    supportsRecursiveReadOnly: false,
    runtimeName: 'docker',
    now: START + 60_000,
    ...extra,
  };
}

/** A container's status as reported before. */
export function reported(name: string, extra: Partial<ContainerStatusObject> = {}): ContainerStatusObject {
  return { name, image: `${name}:1`, imageID: '', ready: false, restartCount: 0, ...extra };
}

/** The first app container's status. */
export function firstContainer(status: PodStatus): ContainerStatusObject | undefined {
  return status.containerStatuses?.[0];
}
