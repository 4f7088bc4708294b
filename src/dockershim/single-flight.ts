/**
 * Runs a piece of work by key, never twice at once for a key.
 *
 * INVARIANTS
 * 1. At most one run a key is under way.
 * 2. A request during a run is answered by one more run that begins afterwards, however many requests there were.
 * 3. Nothing is kept of a key whose runs have ended.
 */
export class SingleFlight {
  readonly #work: (key: string) => Promise<void>;
  readonly #running = new Map<string, { readonly now: Promise<void>; next: Promise<void> | undefined }>();

  constructor(work: (key: string) => Promise<void>) {
    this.#work = work;
  }

  /** Settles as the run does that began after this call. */
  request(key: string): Promise<void> {
    const current = this.#running.get(key);
    if (current === undefined) return this.#begin(key);
    current.next ??= current.now.then(
      () => this.#begin(key),
      () => this.#begin(key),
    );
    return current.next;
  }

  #begin(key: string): Promise<void> {
    const now = this.#work(key);
    const entry = { now, next: undefined };
    this.#running.set(key, entry);
    const end = (): void => {
      if (this.#running.get(key) === entry && entry.next === undefined) this.#running.delete(key);
    };
    now.then(end, end);
    return now;
  }
}
