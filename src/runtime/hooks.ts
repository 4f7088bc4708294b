import type { Clock } from '../lib/clock.ts';
import { UnimplementedError } from '../lib/errors.ts';
import type { EventPort, HookRunner } from './ports.ts';
import type { RuntimeService } from './types.ts';

export interface HookDeps {
  readonly runtime: Pick<RuntimeService, 'execSync'>;
  readonly events: EventPort;
  readonly clock: Clock;
}

/** Runs exec (through ExecSync), httpGet and sleep hooks. */
export function createHookRunner(_deps: HookDeps): HookRunner {
  throw new UnimplementedError('hooks are being built');
}
