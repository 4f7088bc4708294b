import { setTimeout as delay } from 'node:timers/promises';

/** How long to try, and how often. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** Between two tries; 100 ms unless told. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** More for the error's message, for example the tail of a log. */
  readonly explain?: () => string | Promise<string>;
}

/** A wait that ran out of time: says what for, how long, and what the last try answered. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
  readonly what: string;
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number, detail: string, options?: ErrorOptions) {
    super(`${what}: not within ${(timeoutMs / 1000).toString()} s${detail === '' ? '' : `: ${detail}`}`, options);
    this.what = what;
    this.timeoutMs = timeoutMs;
  }
}

/**
 * Calls `probe` until it answers something other than `undefined` or `false`, and returns that.
 * A probe that throws has not succeeded yet; its last error is in the message.
 *
 * @param what names what is waited for, as in "API server at https://… is ready".
 * @throws TimeoutError after `timeoutMs`; the signal's reason when aborted.
 */
export async function waitFor<T>(
  what: string,
  probe: (signal: AbortSignal) => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  let last: unknown;
  while (!signal.aborted) {
    try {
      const answer = await probe(signal);
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      if (error instanceof FatalError) throw error;
      if (!signal.aborted || last === undefined) last = error;
    }
    await delay(options.intervalMs ?? 100, undefined, { signal }).catch(() => undefined);
  }
  options.signal?.throwIfAborted();
  const parts = [last === undefined ? '' : messageOf(last), (await options.explain?.()) ?? ''];
  throw new TimeoutError(what, options.timeoutMs, parts.filter((part) => part !== '').join('\n'), { cause: last });
}

/** Ends a {@link waitFor} at once: what is waited for cannot happen any more. */
export class FatalError extends Error {
  override readonly name = 'FatalError';
}

/** Runs `work` with a deadline of its own that says which stage did not end. */
export async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const both = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  try {
    return await work(both);
  } catch (error) {
    if (deadline.aborted && signal?.aborted !== true) throw new TimeoutError(what, timeoutMs, '', { cause: error });
    throw error;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
