import { startDaemon, type Daemon, type DaemonOptions } from './daemon.ts';
import type { Slot } from './slot.ts';
import { FatalError, waitFor } from './wait.ts';

/** A program of the test bed that a test can stop, kill and start again. */
export interface Component {
  readonly name: string;
  readonly logFile: string;
  readonly running: boolean;
  /** 0 while it does not run. */
  readonly pid: number;
  /** Starts it and waits until it is ready; does nothing while it runs. */
  start(signal?: AbortSignal): Promise<void>;
  /** SIGTERM, SIGKILL if that does not help, and waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
}

/** How to start a component and see that it is ready. */
export interface ComponentOptions extends DaemonOptions {
  /** True when ready; throws or answers false until then. */
  readonly ready: (signal: AbortSignal) => Promise<boolean>;
  /** 120 s unless told: a cold start on a busy machine. */
  readonly readyTimeoutMs?: number;
  /** Between SIGTERM and SIGKILL; 20 s unless told. */
  readonly graceMs?: number;
}

const defaultReadyTimeoutMs = 120_000;

/** Makes a component, not started yet. */
export function createComponent(slot: Slot, options: ComponentOptions): Component {
  const { name, logFile } = options;
  let daemon: Daemon | undefined;
  return {
    name,
    logFile,
    get running() {
      return daemon !== undefined && daemon.ended === undefined;
    },
    get pid() {
      return daemon?.ended === undefined ? (daemon?.pid ?? 0) : 0;
    },
    async start(signal) {
      if (daemon !== undefined && daemon.ended === undefined) return;
      const started = await startDaemon(slot, options);
      daemon = started;
      await waitFor(
        `${name} to be ready`,
        async (probe) => {
          if (started.ended !== undefined) throw new FatalError(`${name} ended: ${await started.logTail()}`);
          return options.ready(probe);
        },
        {
          timeoutMs: options.readyTimeoutMs ?? defaultReadyTimeoutMs,
          intervalMs: 50,
          signal,
          explain: () => started.logTail(),
        },
      );
    },
    async stop() {
      await daemon?.stop(options.graceMs);
    },
    async kill() {
      await daemon?.kill();
    },
  };
}
