/** Asking the runtime what it has of pods. */
import { POD_UID_LABEL } from '../api/container-labels.ts';
import { isNotFound } from '../lib/errors.ts';
import type { Semaphore } from '../lib/semaphore.ts';
import type { ObservedContainer } from '../pods/types.ts';
import type { ObservedSandbox } from './observed-pod.ts';
import { podUidOf } from './pod-store.ts';
import type { Container, PodSandbox, RuntimeService } from './types.ts';

/** What a list shows of one pod. */
export interface ListedPod {
  readonly sandboxes: PodSandbox[];
  readonly containers: Container[];
}

/** Lists, without statuses: of one pod, or of all that have a UID. */
export async function listPods(runtime: RuntimeService, uid: string | undefined, signal: AbortSignal): Promise<Map<string, ListedPod>> {
  const filter = uid === undefined ? {} : { labelSelector: { [POD_UID_LABEL]: uid } };
  const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(filter, signal), runtime.listContainers(filter, signal)]);
  const pods = new Map<string, ListedPod>();
  const podOf = (object: PodSandbox | Container): ListedPod => {
    const key = podUidOf(object);
    const pod = pods.get(key) ?? { sandboxes: [], containers: [] };
    pods.set(key, pod);
    return pod;
  };
  for (const sandbox of sandboxes) podOf(sandbox).sandboxes.push(sandbox);
  for (const container of containers) podOf(container).containers.push(container);
  pods.delete('');
  return pods;
}

/**
 * Statuses of everything that a list shows of a pod, as many at a time as `places` allows; what is removed meanwhile is left out.
 * @param unchanging a container that need not be asked about again
 */
export async function readStatuses(
  runtime: RuntimeService,
  { sandboxes, containers }: ListedPod,
  unchanging: (container: Container) => ObservedContainer | undefined,
  places: Semaphore,
  signal: AbortSignal,
): Promise<ObservedSandbox[]> {
  const [sandboxStatuses, containerStatuses] = await Promise.all([
    Promise.all(sandboxes.map(({ id }) => orGone(places.run(signal, () => runtime.podSandboxStatus(id, signal))))),
    Promise.all(
      containers.map(async (container): Promise<ObservedContainer | undefined> => {
        const known = unchanging(container);
        if (known) return known;
        const status = await orGone(places.run(signal, () => runtime.containerStatus(container.id, signal)));
        return status && { ...status, podSandboxId: container.podSandboxId };
      }),
    ),
  ]);
  const ids = new Set([...sandboxes.map(({ id }) => id), ...containers.map(({ podSandboxId }) => podSandboxId)]);
  return [...ids]
    .map((id) => ({
      id,
      status: sandboxStatuses.find((status) => status?.id === id),
      containers: containerStatuses.flatMap((status) => (status?.podSandboxId === id ? status : [])),
    }))
    .filter(({ status, containers: left }) => status !== undefined || left.length > 0);
}

async function orGone<T>(status: Promise<T>): Promise<T | undefined> {
  try {
    return await status;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
