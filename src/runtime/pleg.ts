import type { Clock } from '../lib/clock.ts';
import { UnimplementedError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { PodCache } from '../pods/types.ts';
import type { RuntimeService } from './types.ts';

export interface PlegDeps {
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The pod lifecycle event generator: keeps the pod cache true to the runtime. */
export interface Pleg extends PodCache {
  /** Follows the runtime until aborted; never rejects for a runtime that is away. Call once. */
  run(signal: AbortSignal): Promise<void>;
  /** `undefined` while healthy, else what is wrong (kubelet: "PLEG is not healthy"), for the node's Ready condition. */
  unhealthy(): string | undefined;
}

export function createPleg(_deps: PlegDeps): Pleg {
  throw new UnimplementedError('the PLEG is being built');
}
