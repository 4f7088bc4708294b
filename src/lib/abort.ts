import type { Clock } from './clock.ts';
import { DeadlineExceededError } from './errors.ts';

/** Runs `work` with a signal that is aborted by `signal` or after `limitMs`; the error then names the stage and the limit. */
export async function withDeadline<T>(
  clock: Clock,
  stage: string,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = clock.after(limitMs, () => controller.abort(new DeadlineExceededError(stage, limitMs)));
  try {
    return await Promise.race([work(controller.signal), rejectOnAbort(controller.signal)]);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

/** Settles as `work` does, but rejects with the signal's reason as soon as it is aborted, even if `work` never answers. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined); // its failure is nobody's any more: the caller has left
    throw signal.reason;
  }
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
