/** One log line when watches begin to fail and one when all work again, for one watch or for hundreds of a kind. */
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

/** INVARIANT: lines alternate between "fails" and "works again", whatever the number of watches and tries. */
export class WatchTrouble {
  readonly #log: Logger;
  readonly #resource: string;
  readonly #failing = new Set<object>();

  constructor(log: Logger, resource: string) {
    this.#log = log;
    this.#resource = resource;
  }

  /** `watch` failed; `facts` say which it is. */
  begin(watch: object, error: unknown, facts: object): void {
    const first = this.#failing.size === 0;
    this.#failing.add(watch);
    if (first) this.#log.warn('A watch fails; retrying', { resource: this.#resource, ...facts, error: errorMessage(error) });
  }

  /** `watch` works, or is not wanted any more. */
  over(watch: object): void {
    if (this.#failing.delete(watch) && this.#failing.size === 0) this.#log.info('No watch fails any more', { resource: this.#resource });
  }
}
