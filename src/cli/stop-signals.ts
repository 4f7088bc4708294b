/** What ends the process: signals, and errors that nobody caught. */
import { MessageChannel } from 'node:worker_threads';
import { errorMessage, toError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** What is needed of the process. */
export type ProcessPort = Pick<NodeJS.Process, 'on' | 'off'> & { exit(code: number): void };

export interface StopListener extends Disposable {
  /** Aborted by the first signal: stop gracefully. */
  readonly signal: AbortSignal;
}

/**
 * The first SIGTERM or SIGINT asks for a graceful stop, the second ends the process at once (exit code 1). An exception or a
 * rejection that nobody caught is logged and ends it too (exit code 1): the state is unknown then, and starting again adopts
 * what runs. Until disposed it also keeps the process alive, for timers do not.
 */
export function listenForStop(process: ProcessPort, log: Logger): StopListener {
  const controller = new AbortController();
  const keepAlive = new MessageChannel();
  keepAlive.port1.ref();
  const onSignal = (name: string): void => {
    if (controller.signal.aborted) {
      log.warn('Second signal, exiting without waiting', { signal: name });
      process.exit(1);
      return;
    }
    log.info('Stopping', { signal: name });
    controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'));
  };
  const onError = (kind: string) => (thrown: unknown) => {
    log.error(kind, { error: errorMessage(thrown), stack: toError(thrown).stack });
    process.exit(1);
  };
  const onException = onError('Uncaught exception, exiting');
  const onRejection = onError('Unhandled rejection, exiting');
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of STOP_SIGNALS) process.off(name, onSignal);
      process.off('uncaughtException', onException);
      process.off('unhandledRejection', onRejection);
      keepAlive.port1.close();
    },
  };
}
