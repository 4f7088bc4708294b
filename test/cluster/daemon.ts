import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { startTimeOf } from './processes.ts';
import { CommandError } from './run.ts';
import type { Slot } from './slot.ts';

/** How a daemon ended. */
export interface ExitFacts {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that a test bed started and will stop. */
export interface Daemon {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the process has ended, however it did. */
  readonly exited: Promise<ExitFacts>;
  /** Set once it has ended. */
  readonly ended: ExitFacts | undefined;
  /** SIGTERM, then SIGKILL after `graceMs` (20 s unless told). Returns when it has ended. */
  stop(graceMs?: number): Promise<ExitFacts>;
  /** SIGKILL. Returns when it has ended. */
  kill(): Promise<ExitFacts>;
  /** The last lines of its log, for error messages. */
  logTail(lines?: number): Promise<string>;
}

/** What {@link startDaemon} starts. */
export interface DaemonOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

const defaultGraceMs = 20_000;

/** Starts a process in a session of its own (a Ctrl-C is for the harness alone), its output appended to a log file. */
export async function startDaemon(slot: Slot, options: DaemonOptions): Promise<Daemon> {
  const [file = '', ...args] = options.command;
  const log = await open(options.logFile, 'a');
  const child = spawn(file, args, {
    cwd: options.cwd ?? slot.dir,
    env: { ...slot.env, ...options.env },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  let ended: ExitFacts | undefined;
  const exited = new Promise<ExitFacts>((resolve) => {
    child.once('exit', (code, signal) => resolve((ended = { code, signal })));
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new CommandError(options.command, error.message, undefined, { cause: error })));
    child.once('spawn', () => resolve(child.pid ?? 0));
  }).finally(() => log.close());
  slot.record({ kind: 'process', name: options.name, pid, startTime: (await startTimeOf(pid)) ?? '' });
  child.unref();
  const kill = (): Promise<ExitFacts> => {
    child.kill('SIGKILL');
    return held(exited);
  };
  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exited,
    get ended() {
      return ended;
    },
    kill,
    async stop(graceMs = defaultGraceMs) {
      if (ended !== undefined) return ended;
      child.kill('SIGTERM');
      const timer = setTimeout(() => void kill(), graceMs);
      return held(exited).finally(() => clearTimeout(timer));
    },
    logTail: (lines) => tailOf(options.logFile, lines),
  };
}

/** Keeps the event loop alive while waiting for a child that was unref'd. */
async function held<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 60_000);
  return promise.finally(() => clearInterval(timer));
}

/** The last lines of a text file; empty if there is none. */
export async function tailOf(path: string, lines = 15): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
