/** A container's probe with the API server's defaults filled in (pkg/apis/core/v1/defaults.go). */
import type { ContainerSpec, Pod, ProbeSpec } from '../api/types.ts';
import type { ProbeKind } from './types.ts';

export interface Timing {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

const SECOND_MS = 1000;
const DEFAULT_PERIOD_SECONDS = 10;
const DEFAULT_TIMEOUT_SECONDS = 1;
const DEFAULT_SUCCESS_THRESHOLD = 1;
const DEFAULT_FAILURE_THRESHOLD = 3;

export function timingOf(probe: ProbeSpec): Timing {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * SECOND_MS,
    periodMs: orDefault(probe.periodSeconds, DEFAULT_PERIOD_SECONDS) * SECOND_MS,
    timeoutMs: orDefault(probe.timeoutSeconds, DEFAULT_TIMEOUT_SECONDS) * SECOND_MS,
    successThreshold: orDefault(probe.successThreshold, DEFAULT_SUCCESS_THRESHOLD),
    failureThreshold: orDefault(probe.failureThreshold, DEFAULT_FAILURE_THRESHOLD),
  };
}

export interface ContainerProbe {
  readonly container: ContainerSpec;
  readonly kind: ProbeKind;
  readonly probe: ProbeSpec;
}

/** Probes of app containers and of sidecars. */
export function probesOf(pod: Pod): readonly ContainerProbe[] {
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars].flatMap((container) => {
    const probes: readonly (readonly [ProbeKind, ProbeSpec | undefined])[] = [
      ['startup', container.startupProbe],
      ['readiness', container.readinessProbe],
      ['liveness', container.livenessProbe],
    ];
    return probes.flatMap(([kind, probe]) => (probe === undefined ? [] : [{ container, kind, probe }]));
  });
}

/** The API's way to say "not set" is 0 as well. */
function orDefault(value: number | undefined, fallback: number): number {
  return value === undefined || value <= 0 ? fallback : value;
}
