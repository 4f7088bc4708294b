/** Pods and observations for tests. */
import {
  CONTAINER_HASH_ANNOTATION,
  CONTAINER_NAME_LABEL,
  CONTAINER_RESTART_COUNT_ANNOTATION,
  POD_NAMESPACE_LABEL,
  POD_NAME_LABEL,
  POD_UID_LABEL,
} from '../../api/container-labels.ts';
import { containerHash } from '../../api/container-hash.ts';
import type { ContainerSpec, Pod, PodSpec } from '../../api/types.ts';
import type { PodSandboxStatus } from '../../runtime/types.ts';
import type { PlanInput, PodMemory } from '../plan/types.ts';
import { defaultPlanSettings } from '../plan/crash-loop.ts';
import { withoutProbes } from '../ports.ts';
import type { ObservedContainer, ObservedPod } from '../types.ts';

/** 2026-01-01T00:00:00Z, where the fake clock starts. */
export const START = Date.UTC(2026, 0, 1);

export function nano(ms: number): bigint {
  return BigInt(ms) * 1_000_000n;
}

/** A pod `n/p` with UID `u`, whose containers restart always. */
export function testPod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}, status?: Pod['status']): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', ...metadata },
    spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [{ name: 'web', image: 'nginx' }], ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

export function deleted(pod: Pod, graceSeconds = 30): Pod {
  return {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: graceSeconds },
  };
}

/** `a:image`, with whatever else is given. */
export function container(name: string, extra: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name, image: `${name}:1`, ...extra };
}

export const sidecar = (name: string, extra: Partial<ContainerSpec> = {}): ContainerSpec =>
  container(name, { restartPolicy: 'Always', ...extra });

export interface SandboxFacts {
  readonly attempt?: number;
  readonly state?: 'ready' | 'notready';
  readonly ips?: readonly string[];
  readonly createdMs?: number;
  readonly hostNetwork?: boolean;
}

/** Id `s<attempt>`. */
export function sandbox({
  attempt = 0,
  state = 'ready',
  ips = ['10.1.0.7'],
  createdMs = START,
  hostNetwork,
}: SandboxFacts = {}): PodSandboxStatus {
  return {
    id: `s${attempt}`,
    metadata: { name: 'p', uid: 'u', namespace: 'n', attempt },
    state,
    createdAt: nano(createdMs + attempt),
    ips: hostNetwork === true ? [] : ips,
    namespaceOptions: { network: hostNetwork === true ? 'node' : 'pod', pid: 'container', ipc: 'pod' },
    labels: {},
    annotations: {},
    runtimeHandler: '',
  };
}

export interface ContainerFacts {
  readonly state?: ObservedContainer['state'];
  readonly attempt?: number;
  readonly exitCode?: number;
  readonly startedMs?: number;
  readonly finishedMs?: number;
  readonly sandbox?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** An instance of `spec`, id `<name><attempt>`. */
export function instance(spec: ContainerSpec, facts: ContainerFacts = {}): ObservedContainer {
  const { state = 'running', attempt = 0, exitCode = 0, startedMs = START + 1000, finishedMs = START + 2000 } = facts;
  const ended = state === 'exited';
  return {
    id: `${spec.name}${attempt}`,
    podSandboxId: facts.sandbox ?? 's0',
    metadata: { name: spec.name, attempt },
    state,
    createdAt: nano(startedMs + attempt),
    startedAt: state === 'created' ? 0n : nano(startedMs),
    finishedAt: ended ? nano(finishedMs) : 0n,
    exitCode: ended ? exitCode : 0,
    image: { image: `sha256:${spec.name}`, userSpecifiedImage: spec.image ?? '' },
    imageRef: `${spec.image ?? ''}@sha256:${spec.name}`,
    imageId: `sha256:${spec.name}`,
    reason: facts.reason ?? (ended ? (exitCode === 0 ? 'Completed' : 'Error') : ''),
    message: facts.message ?? '',
    labels: { [POD_NAME_LABEL]: 'p', [POD_NAMESPACE_LABEL]: 'n', [POD_UID_LABEL]: 'u', [CONTAINER_NAME_LABEL]: spec.name },
    annotations: { [CONTAINER_HASH_ANNOTATION]: containerHash(spec), [CONTAINER_RESTART_COUNT_ANNOTATION]: String(attempt) },
    mounts: [],
    logPath: `/var/log/pods/n_p_u/${spec.name}/${attempt}.log`,
  };
}

/** Sandboxes and containers in any order. */
export function observe(sandboxes: readonly PodSandboxStatus[], containers: readonly ObservedContainer[] = []): ObservedPod {
  const newestFirst = <T extends { readonly createdAt: bigint }>(list: readonly T[]): T[] =>
    [...list].sort((a, b) => Number(b.createdAt - a.createdAt));
  return {
    uid: 'u',
    name: 'p',
    namespace: 'n',
    sandboxes: newestFirst(sandboxes),
    containers: newestFirst(containers),
    observedAt: START,
  };
}

/** Nothing remembered. */
export const freshMemory: PodMemory = {
  startFailures: new Map(),
  podFailure: undefined,
  crashLoop: new Map(),
  volumesPrepared: true,
  stoppedSandboxes: new Set(),
  cleanedUp: false,
};

/** A syncing pod a minute after the start, its volumes prepared, without probes. */
export function planInput(pod: Pod, observed: ObservedPod | undefined, extra: Partial<PlanInput> = {}): PlanInput {
  return {
    pod,
    observed,
    lifecycle: 'syncing',
    termination: undefined,
    memory: freshMemory,
    previous: undefined,
    probes: withoutProbes,
    settings: defaultPlanSettings,
    now: START + 60_000,
    ...extra,
  };
}
