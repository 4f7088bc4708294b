/** One connection to a cluster for a whole process: transports, health and a client for each budget of requests. */
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { ApiHealth } from './api-health.ts';
import type { ClusterAccess } from './credentials.ts';
import { createTransport } from './negotiated-transport.ts';
import type { RateLimit } from './rate-limiter.ts';
import type { ReflectorContext } from './reflector.ts';
import { RestClient } from './rest-client.ts';
import type { ApiClient } from './types.ts';

export interface ConnectOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly log: Logger;
  /** `shorelet/<version>` */
  readonly userAgent: string;
  /** The kubelet's kubeAPIQPS and kubeAPIBurst; `undefined` is without limit. */
  readonly apiRate: RateLimit | undefined;
  /** The kubelet's eventRecordQPS and eventBurst; `undefined` is without limit. */
  readonly eventRate: RateLimit | undefined;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Clients share sessions and health; each has a rate limit of its own, so that a storm of one kind does not hold up another. */
export interface ClusterConnection {
  readonly health: ApiHealth;
  readonly client: ApiClient;
  readonly eventClient: ApiClient;
  /** For the lease and the node's status, which must not wait. */
  readonly heartbeatClient: ApiClient;
  readonly reflectors: ReflectorContext & { readonly client: ApiClient };
  close(): void;
}

/** Opens nothing yet: the first request connects. */
export function connectToCluster(options: ConnectOptions): ClusterConnection {
  const { access, clock, log, userAgent, random } = options;
  const transport = createTransport(access, clock);
  const health = new ApiHealth(clock, log);
  const clientWith = (rateLimit: RateLimit | undefined): ApiClient =>
    new RestClient({ transport, access, clock, log, health, userAgent, rateLimit });
  const client = clientWith(options.apiRate);
  return {
    health,
    client,
    eventClient: clientWith(options.eventRate),
    heartbeatClient: clientWith(undefined),
    reflectors: { client, clock, log, health, random },
    close: () => transport.close(),
  };
}
