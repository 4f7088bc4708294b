/**
 * Joins calls: those that come while work is under way are done together, by the next piece of work.
 *
 * INVARIANTS
 * - One piece of work at a time.
 * - The work that answers a call begins after the call, so it sees everything that was so before it.
 * - A piece of work takes at most `limit` items, but always at least one call; calls keep their order.
 * - A piece of work that fails fails every call it was for.
 */
export class Batcher<Item, Result> {
  readonly #limit: number;
  readonly #work: (items: readonly Item[]) => Promise<Result>;
  #waiting: Call<Item, Result>[] = [];
  #busy = false;

  constructor(limit: number, work: (items: readonly Item[]) => Promise<Result>) {
    this.#limit = limit;
    this.#work = work;
  }

  add(items: readonly Item[]): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.push({ items, resolve, reject });
    if (!this.#busy) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    await Promise.resolve(); // calls of this turn come along
    while (this.#waiting.length > 0) {
      const calls = this.#take();
      try {
        const result = await this.#work(calls.flatMap(({ items }) => items));
        for (const call of calls) call.resolve(result);
      } catch (error) {
        for (const call of calls) call.reject(error);
      }
    }
    this.#busy = false;
  }

  #take(): readonly Call<Item, Result>[] {
    let size = this.#waiting[0]?.items.length ?? 0;
    let count = 1;
    while (count < this.#waiting.length && size + (this.#waiting[count]?.items.length ?? 0) <= this.#limit) {
      size += this.#waiting[count]?.items.length ?? 0;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

interface Call<Item, Result> {
  readonly items: readonly Item[];
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}
