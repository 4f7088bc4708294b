/**
 * Hands values from callbacks to one `for await` loop.
 *
 * INVARIANTS
 * - holds at most `limit` values: a further one takes the place of the oldest
 * - values pushed before `end` are still delivered, none after
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  #values: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(value: T): void {
    if (this.#ended) return;
    this.#values.push(value);
    if (this.#values.length > this.#limit) this.#values.shift();
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        const [value] = this.#values.splice(0, 1);
        if (value !== undefined) yield value;
        else if (this.#ended) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#ended = true;
      this.#values = [];
    }
  }
}
