import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError, FailedPreconditionError, UnavailableError } from '../lib/errors.ts';

export type CniCommand = 'ADD' | 'DEL' | 'CHECK';

/** One call of one plugin. */
export interface CniCall {
  readonly command: CniCommand;
  readonly type: string;
  readonly config: unknown;
  readonly containerId: string;
  /** Empty when the namespace is gone (DEL only). */
  readonly netnsPath: string;
  readonly ifName: string;
  readonly args: string;
}

/** Answers what the plugin printed; `undefined` when it printed nothing. */
export type CniRunner = (call: CniCall, signal: AbortSignal) => Promise<unknown>;

export interface CniRunnerOptions {
  readonly binDirs: readonly string[];
  readonly clock: Clock;
  /** Words to put before a plugin's path. */
  readonly enter?: readonly string[];
}

/** A plugin works for fractions of a second; one that asks a server for an address may take a while. */
const PLUGIN_LIMIT_MS = 60_000;
/** Results are some hundred bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** CNI spec "Well-known Error Codes": the plugin is not available now, or asks to be tried again. */
const TRY_AGAIN = new Set([11, 50, 51]);

const pluginError = z.object({ code: z.number(), msg: z.string(), details: z.string().default('') });

/** Runs plugins as processes, each for a limited time (CNI spec "Execution protocol"). */
export function createCniRunner({ binDirs, clock, enter = [] }: CniRunnerOptions): CniRunner {
  return async (call, signal) => {
    const binary = await findPlugin(call.type, binDirs);
    const stage = `CNI plugin ${call.type} ${call.command} for sandbox ${call.containerId}`;
    const environment = {
      ...process.env,
      CNI_COMMAND: call.command,
      CNI_CONTAINERID: call.containerId,
      CNI_NETNS: call.netnsPath,
      CNI_IFNAME: call.ifName,
      CNI_ARGS: call.args,
      CNI_PATH: binDirs.join(':'),
    };
    return withDeadline(clock, stage, PLUGIN_LIMIT_MS, signal, async (abort) => {
      const { code, stdout, stderr } = await run([...enter, binary], environment, JSON.stringify(call.config), abort);
      if (code !== 0) throw failure(stage, stdout, stderr);
      return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as unknown);
    });
  };
}

/** @throws FailedPreconditionError when no directory has it */
export async function findPlugin(type: string, binDirs: readonly string[]): Promise<string> {
  for (const directory of binDirs) {
    const file = path.join(directory, type);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  throw new FailedPreconditionError(`failed to find CNI plugin "${type}" in path [${binDirs.join(' ')}]`);
}

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: readonly string[], environment: NodeJS.ProcessEnv, input: string, signal: AbortSignal): Promise<Output> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = command;
    // A group of its own: a plugin that delegates to another must not leave it behind.
    const child = spawn(file, args, { env: environment, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const onAbort = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    child.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    });
    child.once('close', (code) => {
      signal.removeEventListener('abort', onAbort);
      resolve({ code, stdout: stdout(), stderr: stderr() });
    });
    child.stdin.on('error', () => undefined); // a plugin that ends without reading tells why by its exit
    child.stdin.end(input);
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let room = MAX_OUTPUT_BYTES;
  stream.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, room);
    room -= kept.length;
    chunks.push(kept);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function failure(stage: string, stdout: string, stderr: string): Error {
  const parsed = pluginError.safeParse(parseJson(stdout));
  if (!parsed.success) return new CodedError('Internal', `${stage} failed: ${(stderr || stdout).trim()}`);
  const { code, msg, details } = parsed.data;
  const message = `${stage} failed: ${details === '' ? msg : `${msg}: ${details}`}`;
  return TRY_AGAIN.has(code) ? new UnavailableError(message) : new CodedError('Internal', message);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
