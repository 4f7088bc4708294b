import type { PortMapping, StringMap } from '../runtime/types.ts';

/** What a network implementation is told of a sandbox. */
export interface SandboxNetworkRequest {
  readonly sandboxId: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: StringMap;
  readonly portMappings: readonly PortMapping[];
  /** File of the network namespace; absent once the sandbox's process is gone (teardown must still free addresses). */
  readonly netnsPath?: string;
}

/** What the network gave a sandbox. JSON only: it is kept in the sandbox's checkpoint. */
export interface SandboxNetworkState {
  readonly ips: readonly string[];
  /** The implementation's own memory of what it did. */
  readonly details?: unknown;
}

/** Ready, or why not in the words of the NetworkReady condition. */
export type NetworkReadiness = { readonly ready: true } | { readonly ready: false; readonly reason: string; readonly message: string };

/**
 * Connects sandboxes to a network. Sandboxes with host networking never come here.
 *
 * `setUp` may be called again for a sandbox whose first call failed or was interrupted; `tearDown` may be called any number of times,
 * also for a sandbox that was never set up or whose process is gone: it frees what can be freed and then succeeds.
 */
export interface SandboxNetwork {
  /** `engine`: the engine connects and publishes ports by itself; `none`: the sandbox starts with loopback only and `setUp` does the rest. */
  readonly mode: 'engine' | 'none';
  readiness(): NetworkReadiness;
  /** `undefined`: the engine did it, and its inspection tells the addresses. */
  setUp(request: SandboxNetworkRequest, signal: AbortSignal): Promise<SandboxNetworkState | undefined>;
  tearDown(request: SandboxNetworkRequest, state: SandboxNetworkState | undefined, signal: AbortSignal): Promise<void>;
  /** Optional: whether a running sandbox's network is still as `setUp` made it. @throws Error naming what is missing */
  check?(request: SandboxNetworkRequest, state: SandboxNetworkState, signal: AbortSignal): Promise<void>;
  /** The node's pod CIDR, once the control plane has given one. */
  updatePodCidr(podCidr: string): void;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
