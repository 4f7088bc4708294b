import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { NetnsDialer } from '../network/netns-dialer.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import type { ImageService, RuntimeService } from '../runtime/types.ts';
import type { StreamingRuntime, StreamingServer } from '../streaming/types.ts';
import type { DockerEngine } from './engine.ts';

/** What the dockershim needs besides its settings. */
export interface DockershimDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly network: SandboxNetwork;
  /** Dials localhost inside sandboxes for port forwarding. */
  readonly dialer: NetnsDialer;
  /** Called once by `start`. Absent: exec, attach and portForward are Unimplemented (execSync works). */
  readonly createStreamingServer?: (runtime: StreamingRuntime) => Promise<StreamingServer>;
  /** For tests: instead of a client for the settings' endpoint. */
  readonly engine?: DockerEngine;
}

/** The runtime interface on Docker Engine. */
export interface DockerService {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** What the streaming server calls; for whoever serves it by other means. */
  readonly streaming: StreamingRuntime;
  /**
   * Reads the checkpoints, starts streaming and the network, and begins to connect to the engine; resolves without waiting for the
   * engine, which may come and go. Until it has answered once, questions reject with UnavailableError.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Ends event streams, streaming sessions and connections. Containers go on running. */
  stop(): Promise<void>;
}
