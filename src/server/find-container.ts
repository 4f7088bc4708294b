import type { AnyContainerSpec, ContainerStatusObject, Pod, PodStatus } from '../api/types.ts';
import { HttpError } from './http-error.ts';

/** The container of that name among app, init and ephemeral containers. */
export function containerSpec(pod: Pod, name: string): AnyContainerSpec | undefined {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  return [...containers, ...initContainers, ...ephemeralContainers].find((container) => container.name === name);
}

export function containerStatus(status: PodStatus | undefined, name: string): ContainerStatusObject | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find((entry) => entry.name === name);
}

/** Runtime id of the running container, for exec, attach and run. @throws HttpError 404 in the kubelet's words */
export function runningContainerId(status: PodStatus | undefined, name: string): string {
  const found = containerStatus(status, name);
  if (found?.state?.running === undefined || found.containerID === undefined) {
    throw new HttpError(404, `container not found ("${name}")`);
  }
  return bareId(found.containerID);
}

/**
 * Id of the container whose log answers the request: the running one, else the last that ran (kubelet
 * validateContainerLogStatus). @throws HttpError 400 saying what is being waited for
 */
export function logContainerId(pod: Pod, status: PodStatus | undefined, name: string, previous: boolean): string {
  const where = `container "${name}" in pod "${pod.metadata.name}"`;
  const found = containerStatus(status, name);
  if (found === undefined) throw new HttpError(400, `${where} is not available`);
  const { running, terminated, waiting } = found.state ?? {};
  const last = found.lastState?.terminated?.containerID;
  if (previous) {
    if (!last) throw new HttpError(400, `previous terminated ${where} not found`);
    return bareId(last);
  }
  if (running !== undefined && found.containerID !== undefined) return bareId(found.containerID);
  const id = terminated?.containerID || last;
  if (id) return bareId(id);
  if (terminated !== undefined || found.lastState?.terminated !== undefined) throw new HttpError(400, `${where} is terminated`);
  throw new HttpError(400, `${where} is waiting to start${waitingText(waiting?.reason)}`);
}

function waitingText(reason: string | undefined): string {
  switch (reason) {
    case undefined:
      return ' - no logs yet';
    case 'ErrImagePull':
      return ": image can't be pulled";
    case 'ImagePullBackOff':
      return ': trying and failing to pull image';
    default:
      return `: ${reason}`;
  }
}

/** `docker://abc` → `abc`. */
function bareId(containerId: string): string {
  return containerId.replace(/^[^:]+:\/\//, '');
}
