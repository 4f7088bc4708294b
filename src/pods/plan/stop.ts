/** Stopping one container: how long it is given (kubelet kuberuntime_container.go setTerminationGracePeriod). */
import type { AnyContainerSpec, Pod } from '../../api/types.ts';
import type { ActionOf, ObservedContainer } from '../types.ts';

/** Nobody is killed without this chance to end by itself, seconds (kubelet: minimumGracePeriodInSeconds). */
export const MINIMUM_GRACE_SECONDS = 2;

/** Why a container that its pod keeps is stopped. */
export interface StopCause {
  /** Text of the Killing event. */
  readonly message: string;
  readonly probe?: 'liveness' | 'startup';
}

/** The stop of a container while the pod goes on. */
export function stopWhileSyncing(
  pod: Pod,
  spec: AnyContainerSpec,
  container: ObservedContainer,
  cause: StopCause,
): ActionOf<'stopContainer'> {
  const podGrace = pod.spec.terminationGracePeriodSeconds ?? MINIMUM_GRACE_SECONDS;
  const probe = cause.probe === 'liveness' ? spec.livenessProbe : cause.probe === 'startup' ? spec.startupProbe : undefined;
  const probeGrace = probe?.terminationGracePeriodSeconds;
  return {
    kind: 'stopContainer',
    id: container.id,
    container: spec.name,
    graceSeconds: Math.max(probeGrace ?? podGrace, MINIMUM_GRACE_SECONDS),
    message: cause.message,
    ...(probeGrace === undefined ? {} : { probeGraceSeconds: probeGrace }),
    reason: cause.message,
  };
}
