/** What the runtime keeps for us on sandboxes and containers (kubelet pkg/kubelet/kuberuntime/labels.go). */
import { containerHash } from '../api/container-hash.ts';
import {
  CONTAINER_HASH_ANNOTATION,
  CONTAINER_NAME_LABEL,
  CONTAINER_PORTS_ANNOTATION,
  CONTAINER_PRE_STOP_ANNOTATION,
  CONTAINER_RESTART_COUNT_ANNOTATION,
  POD_DELETION_GRACE_PERIOD_ANNOTATION,
  POD_NAME_LABEL,
  POD_NAMESPACE_LABEL,
  POD_TERMINATION_GRACE_PERIOD_ANNOTATION,
  POD_UID_LABEL,
  TERMINATION_MESSAGE_PATH_ANNOTATION,
  TERMINATION_MESSAGE_POLICY_ANNOTATION,
} from '../api/container-labels.ts';
import type { AnyContainerSpec, ContainerSpec, LifecycleHandler, Pod } from '../api/types.ts';
import type { StringMap } from './types.ts';

/** The pod's own labels under those that say whose sandbox it is. */
export function sandboxLabels(pod: Pod): StringMap {
  return { ...pod.metadata.labels, ...identity(pod) };
}

export function containerLabels(pod: Pod, container: AnyContainerSpec): StringMap {
  return { ...identity(pod), [CONTAINER_NAME_LABEL]: container.name };
}

/** Everything that is needed to report and to stop the container when its pod object is gone. */
export function containerAnnotations(pod: Pod, container: AnyContainerSpec, restartCount: number): StringMap {
  const { deletionGracePeriodSeconds } = pod.metadata;
  const { terminationGracePeriodSeconds } = pod.spec;
  const preStop = container.lifecycle?.preStop;
  return {
    [CONTAINER_HASH_ANNOTATION]: containerHash(container),
    [CONTAINER_RESTART_COUNT_ANNOTATION]: String(restartCount),
    [TERMINATION_MESSAGE_PATH_ANNOTATION]: container.terminationMessagePath ?? '',
    [TERMINATION_MESSAGE_POLICY_ANNOTATION]: container.terminationMessagePolicy ?? '',
    ...(deletionGracePeriodSeconds === undefined ? {} : { [POD_DELETION_GRACE_PERIOD_ANNOTATION]: String(deletionGracePeriodSeconds) }),
    ...(terminationGracePeriodSeconds === undefined
      ? {}
      : { [POD_TERMINATION_GRACE_PERIOD_ANNOTATION]: String(terminationGracePeriodSeconds) }),
    ...(preStop === undefined ? {} : { [CONTAINER_PRE_STOP_ANNOTATION]: JSON.stringify(preStop) }),
    ...(container.ports === undefined || container.ports.length === 0
      ? {}
      : { [CONTAINER_PORTS_ANNOTATION]: JSON.stringify(container.ports) }),
  };
}

/** The pre-stop hook and ports of a container whose spec is gone. Unreadable annotations are as good as absent. */
export function stopInfoOf(annotations: StringMap): { readonly preStop?: LifecycleHandler; readonly ports?: ContainerSpec['ports'] } {
  const preStop = parseObject<LifecycleHandler>(annotations[CONTAINER_PRE_STOP_ANNOTATION], isHandler);
  const ports = parseObject<NonNullable<ContainerSpec['ports']>>(annotations[CONTAINER_PORTS_ANNOTATION], isPorts);
  return { ...(preStop === undefined ? {} : { preStop }), ...(ports === undefined ? {} : { ports }) };
}

function identity(pod: Pod): StringMap {
  return {
    [POD_NAME_LABEL]: pod.metadata.name,
    [POD_NAMESPACE_LABEL]: pod.metadata.namespace,
    [POD_UID_LABEL]: pod.metadata.uid,
  };
}

function parseObject<T>(text: string | undefined, guard: (value: unknown) => value is T): T | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return guard(value) ? value : undefined;
  } catch {
    return undefined; // written by something else: nothing of ours to read in it
  }
}

function isHandler(value: unknown): value is LifecycleHandler {
  return typeof value === 'object' && value !== null && ('exec' in value || 'httpGet' in value || 'sleep' in value || 'tcpSocket' in value);
}

function isPorts(value: unknown): value is NonNullable<ContainerSpec['ports']> {
  return Array.isArray(value) && value.every((port) => typeof port === 'object' && port !== null && 'containerPort' in port);
}
