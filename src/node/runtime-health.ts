/** Whether the container runtime and its network are ready (kubelet pkg/kubelet/runtime.go and kubelet.go updateRuntimeUp). */
import type { Clock } from '../lib/clock.ts';
import type { RuntimeCondition, RuntimeHandler, RuntimeStatus } from '../runtime/types.ts';

/** The runtime may be silent for so long before the node is not ready (kubelet.go maxWaitForContainerRuntime). */
const SILENCE_LIMIT_MS = 30_000;

/** INVARIANT: `errors` is empty exactly when the last answer, not older than the limit, said that runtime and network are ready. */
export class RuntimeHealth {
  readonly #clock: Clock;
  #lastReadyAt: number | undefined;
  #runtimeError: string | undefined;
  #networkError: string | undefined = 'network state unknown';
  #handlers: readonly RuntimeHandler[] = [];
  #features: RuntimeStatus['features'] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The runtime has answered. */
  answered(status: RuntimeStatus): void {
    const network = condition(status, 'NetworkReady');
    this.#networkError = network?.status === true ? undefined : `container runtime network not ready: ${describe(network)}`;
    const runtime = condition(status, 'RuntimeReady');
    this.#runtimeError = runtime?.status === true ? undefined : `container runtime not ready: ${describe(runtime)}`;
    if (this.#runtimeError !== undefined) return;
    this.#lastReadyAt = this.#clock.monotonic();
    this.#handlers = [...status.runtimeHandlers].sort((a, b) => (a.name < b.name ? -1 : 1)); // a stable order: no change without one
    this.#features = status.features;
  }

  /** Why the node is not ready, in the kubelet's words. */
  errors(): string[] {
    return [this.#silence(), this.#runtimeError, this.#networkError].filter((error) => error !== undefined);
  }

  get handlers(): readonly RuntimeHandler[] {
    return this.#handlers;
  }

  /** `undefined` until the runtime has been ready once. */
  get features(): RuntimeStatus['features'] | undefined {
    return this.#features;
  }

  #silence(): string | undefined {
    if (this.#lastReadyAt === undefined) return 'container runtime status check may not have completed yet';
    return this.#clock.monotonic() - this.#lastReadyAt >= SILENCE_LIMIT_MS ? 'container runtime is down' : undefined;
  }
}

function condition(status: RuntimeStatus, type: string): RuntimeCondition | undefined {
  return status.conditions.find((candidate) => candidate.type === type);
}

/** kubelet pkg/kubelet/container/runtime.go RuntimeCondition.String. */
function describe(condition: RuntimeCondition | undefined): string {
  return condition === undefined
    ? '<nil>'
    : `${condition.type}=${condition.status} reason:${condition.reason} message:${condition.message}`;
}
