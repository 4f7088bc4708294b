import type { SandboxNetwork } from './sandbox-network.ts';

/**
 * The engine's own bridge, used when no network plugin is named: the engine gives addresses and publishes host ports itself, so
 * there is nothing to do, and the network is as ready as the engine (cri-dockerd pkg network `NoopNetworkPlugin`).
 */
export const dockerBridgeNetwork: SandboxNetwork = {
  mode: 'engine',
  readiness: () => ({ ready: true }),
  setUp: () => Promise.resolve(undefined),
  tearDown: () => Promise.resolve(),
  updatePodCidr: () => undefined,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};
