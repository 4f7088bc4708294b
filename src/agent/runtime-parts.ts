/** The container runtime inside the agent: the dockershim with its network, streaming server and namespace dialer. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/config.ts';
import { createDockerService } from '../dockershim/docker-service.ts';
import type { DockerService } from '../dockershim/types.ts';
import type { Clock } from '../lib/clock.ts';
import { InvalidInputError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { CniNetwork } from '../network/cni-network.ts';
import { createCniRunner } from '../network/cni-plugin.ts';
import { dockerBridgeNetwork } from '../network/docker-bridge.ts';
import { listRulesWithIptables } from '../network/forward-policy.ts';
import { createNetnsDialer } from '../network/netns-dialer.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import { createStreamingServer } from '../streaming/streaming-server.ts';
import { dockershimSettings } from './settings.ts';

/** @throws InvalidInputError for a runtime that this version does not have */
export function createRuntime(config: Config, instanceId: string, clock: Clock, log: Logger, signal: AbortSignal): DockerService {
  const { kubelet, shorelet, derived } = config;
  if (derived.runtime !== 'dockershim') {
    throw new InvalidInputError(
      `containerRuntimeEndpoint: only the Docker runtime inside the agent is supported; found ${kubelet.containerRuntimeEndpoint}; leave it empty`,
    );
  }
  const { streaming } = shorelet;
  const dialer = createNetnsDialer({ helperCommand: [process.execPath, netnsHelper()], clock, log });
  signal.addEventListener('abort', () => dialer.close(), { once: true });
  return createDockerService(dockershimSettings(config, instanceId), {
    clock,
    logger: log,
    network: shorelet.network.plugin === 'cni' ? cniNetwork(config, clock, log) : dockerBridgeNetwork,
    dialer,
    createStreamingServer: (runtime) =>
      createStreamingServer(
        {
          runtime,
          clock,
          log,
          address: { host: streaming.address, port: streaming.port },
          idleTimeoutMs: kubelet.streamingConnectionIdleTimeout,
          streamCreationTimeoutMs: streaming.creationTimeout,
        },
        signal,
      ),
  });
}

function cniNetwork({ kubelet, shorelet }: Config, clock: Clock, log: Logger): SandboxNetwork {
  const { binDirs, confDir, cacheDir } = shorelet.network;
  // A promiscuous bridge is kubenet's; plugins see to their own bridges.
  const hairpinMode = kubelet.hairpinMode === 'hairpin-veth' ? 'hairpin-veth' : 'none';
  return new CniNetwork(
    { binDirs, confDir, cacheDir, hairpinMode },
    { run: createCniRunner({ binDirs, clock }), logger: log, listRules: listRulesWithIptables },
  );
}

/** The helper is an entry of its own beside the bundle's chunks, or a source file when the agent runs from source. */
function netnsHelper(): string {
  const bundled = path.join(import.meta.dirname, '../netns-helper.mjs');
  return existsSync(bundled) ? bundled : path.join(import.meta.dirname, '../network/netns-helper.ts');
}
