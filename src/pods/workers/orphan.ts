/** A pod that only the runtime knows, from what its sandboxes and containers carry (kubelet restoreSpecsFromContainerLabels). */
import {
  CONTAINER_NAME_LABEL,
  CONTAINER_PORTS_ANNOTATION,
  CONTAINER_PRE_STOP_ANNOTATION,
  POD_TERMINATION_GRACE_PERIOD_ANNOTATION,
} from '../../api/container-labels.ts';
import type { ContainerSpec, LifecycleHandler, Pod } from '../../api/types.ts';
import type { ObservedContainer, ObservedPod } from '../types.ts';

/** Enough of a pod to stop it by: names, image, grace period, pre-stop hook and ports. */
export function orphanPod(observed: ObservedPod): Pod {
  const containers = new Map<string, ContainerSpec>();
  for (const container of observed.containers) {
    const spec = orphanContainer(container);
    if (!containers.has(spec.name)) containers.set(spec.name, spec);
  }
  const graceSeconds = Number(observed.containers[0]?.annotations[POD_TERMINATION_GRACE_PERIOD_ANNOTATION]);
  const hostNetwork = observed.sandboxes[0]?.namespaceOptions.network === 'node';
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: observed.name, namespace: observed.namespace, uid: observed.uid },
    spec: {
      containers: [...containers.values()],
      restartPolicy: 'Never',
      ...(hostNetwork ? { hostNetwork } : {}),
      ...(Number.isFinite(graceSeconds) ? { terminationGracePeriodSeconds: graceSeconds } : {}),
    },
  };
}

function orphanContainer({ labels, annotations, metadata, image }: ObservedContainer): ContainerSpec {
  const preStop = parse(annotations[CONTAINER_PRE_STOP_ANNOTATION]);
  const ports = parse(annotations[CONTAINER_PORTS_ANNOTATION]);
  return {
    name: labels[CONTAINER_NAME_LABEL] ?? metadata.name,
    image: image.userSpecifiedImage ?? image.image,
    ...(isHandler(preStop) ? { lifecycle: { preStop } } : {}),
    ...(isPorts(ports) ? { ports } : {}),
  };
}

/** Written by some version of an agent: what cannot be read is left out. */
function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isHandler(value: unknown): value is LifecycleHandler {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPorts(value: unknown): value is NonNullable<ContainerSpec['ports']> {
  return Array.isArray(value) && value.every((port: unknown) => typeof port === 'object' && port !== null && 'containerPort' in port);
}
