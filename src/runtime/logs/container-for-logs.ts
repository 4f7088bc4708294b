import type { ContainerStatusObject, PodStatus } from '../../api/types.ts';
import { FailedPreconditionError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';

/**
 * Id of the container whose log a reader means: the running one, else the last that ran, or with `previous` the one before
 * (kubelet pkg/kubelet/kubelet_pods.go validateContainerLogStatus). Without the runtime's `docker://`.
 * @throws FailedPreconditionError in the kubelet's words when there is no log (yet)
 */
export function containerForLogs(podName: string, status: PodStatus, containerName: string, previous: boolean): string {
  const found = [
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ];
  const container = found.find(({ name }) => name === containerName);
  const subject = `container ${quote(containerName)} in pod ${quote(podName)}`;
  if (container === undefined) throw new FailedPreconditionError(`${subject} is not available`);
  const last = container.lastState?.terminated?.containerID ?? '';
  if (previous) {
    if (last === '') throw new FailedPreconditionError(`previous terminated ${subject} not found`);
    return bareId(last);
  }
  const id = currentId(container) ?? last;
  if (id !== '') return bareId(id);
  throw new FailedPreconditionError(`${subject} ${whyNone(container)}`);
}

/** `undefined`: it has not been made. */
function currentId({ state, containerID }: ContainerStatusObject): string | undefined {
  const id = state?.running ? containerID : state?.terminated?.containerID;
  return id === '' ? undefined : id;
}

function whyNone({ state, lastState }: ContainerStatusObject): string {
  if (state?.terminated ?? lastState?.terminated) return 'is terminated';
  switch (state?.waiting?.reason) {
    case undefined:
      return 'is waiting to start - no logs yet';
    case 'ErrImagePull':
      return "is waiting to start: image can't be pulled";
    case 'ImagePullBackOff':
      return 'is waiting to start: trying and failing to pull image';
    default:
      return `is waiting to start: ${state?.waiting?.reason ?? ''}`;
  }
}

function bareId(containerId: string): string {
  return containerId.slice(containerId.indexOf('://') === -1 ? 0 : containerId.indexOf('://') + 3);
}
