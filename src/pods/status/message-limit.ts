/** Keeps termination messages of one pod within what the API server's storage is to bear (kubelet status_manager.go normalizeStatus). */
import type { ContainerStateStatus, ContainerStatusObject, PodStatus } from '../../api/types.ts';

/** Bytes for all termination messages of a pod (kubelet container/runtime.go MaxPodTerminationMessageLogLength). */
const MAX_POD_MESSAGE_BYTES = 12 * 1024;

/** Every container gets its share of the limit; what is longer is cut. */
export function limitMessages(status: PodStatus): PodStatus {
  const { initContainerStatuses, containerStatuses, ephemeralContainerStatuses } = status;
  const lists = { initContainerStatuses, containerStatuses, ephemeralContainerStatuses };
  const count = Object.values(lists).reduce((sum, list) => sum + (list?.length ?? 0), 0);
  const share = Math.floor(MAX_POD_MESSAGE_BYTES / Math.max(count, 1));
  const limited = Object.entries(lists).flatMap(([field, list]) =>
    list === undefined ? [] : [[field, list.map((container) => limitContainer(container, share))] as const],
  );
  return { ...status, ...Object.fromEntries(limited) };
}

function limitContainer(container: ContainerStatusObject, share: number): ContainerStatusObject {
  return {
    ...container,
    ...(container.state === undefined ? {} : { state: limitState(container.state, share) }),
    ...(container.lastState === undefined ? {} : { lastState: limitState(container.lastState, share) }),
  };
}

function limitState(state: ContainerStateStatus, share: number): ContainerStateStatus {
  const { terminated } = state;
  const message = terminated?.message;
  if (terminated === undefined || message === undefined || Buffer.byteLength(message) <= share) return state;
  return { ...state, terminated: { ...terminated, message: cut(message, share) } };
}

/** The longest beginning of the text that fits, without half a character at its end. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}
