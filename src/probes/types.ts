/** What probes/ promises and what it needs. */
import type { ObjectReference, Pod } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PodCache } from '../pods/types.ts';
import type { ExecSyncResult } from '../runtime/types.ts';

export type ProbeKind = 'liveness' | 'readiness' | 'startup';

/** `unknown`: a startup probe that has not decided yet. */
export type ProbeVerdict = 'success' | 'failure' | 'unknown';

export interface ProbeChange {
  readonly podUid: string;
  readonly containerId: string;
  readonly kind: ProbeKind;
  readonly verdict: ProbeVerdict;
}

/** What probes have found out, by container id (a restarted container is a new one). */
export interface ProbeResults {
  /**
   * `undefined`: nothing is known, because there is no such probe, or none has run yet on a container that was there before the
   * agent (what was reported of it then still holds).
   */
  get(kind: ProbeKind, containerId: string): ProbeVerdict | undefined;
  /** Called with the pod's UID when a container's verdict changes. Answers the function that ends the subscription. */
  onChange(listener: (podUid: string, change: ProbeChange) => void): () => void;
}

/** What one try found. `error` is the agent's own failure to try, which says nothing about the container. */
export interface ProbeOutcome {
  readonly outcome: 'success' | 'warning' | 'failure' | 'error';
  readonly output: string;
}

export interface ProbeRuntime {
  /** @throws DeadlineExceededError when the command ran longer (it is killed) */
  execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number, signal: AbortSignal): Promise<ExecSyncResult>;
}

export interface GrpcHealthRequest {
  readonly host: string;
  readonly port: number;
  readonly service: string;
  readonly userAgent: string;
  readonly timeoutMs: number;
}

export type GrpcHealthAnswer =
  /** The enum value's name: SERVING, NOT_SERVING, SERVICE_UNKNOWN, UNKNOWN. */
  | { readonly outcome: 'answered'; readonly status: string }
  | { readonly outcome: 'connect-timeout' | 'connect-failed' | 'unimplemented' | 'call-timeout' | 'call-failed'; readonly message: string };

/** One call of grpc.health.v1.Health/Check on a connection of its own. */
export interface GrpcHealthPort {
  check(request: GrpcHealthRequest, signal: AbortSignal): Promise<GrpcHealthAnswer>;
}

export interface ProbeEvents {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface ProbeManagerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: ProbeEvents;
  readonly cache: PodCache;
  readonly runtime: ProbeRuntime;
  readonly grpc: GrpcHealthPort;
  /** The node's addresses, the primary first: where probes of host-network pods go. */
  readonly hostIPs: () => readonly string[];
  /** Kubernetes' version for the user agent, `1.37`. */
  readonly version: string;
  /** In [0, 1), for jitter; Math.random by default. */
  readonly random?: () => number;
}

export interface ProbeManager {
  readonly results: ProbeResults;
  /**
   * Starts the pod's probes that do not run yet and takes note of the pod as it is now: once it is being deleted, liveness and
   * startup probes end. Idempotent.
   */
  syncPod(pod: Pod): void;
  /** While a pod terminates only readiness goes on. Idempotent. */
  stopLivenessAndStartup(podUid: string): void;
  /** Ends every probe of the pod and forgets its results. Idempotent. */
  removePod(podUid: string): void;
  /** Ends everything; resolves when no try is in progress any more. */
  stop(): Promise<void>;
}
