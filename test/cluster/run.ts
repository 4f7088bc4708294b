import { spawn } from 'node:child_process';

/** What {@link run} needs besides the command. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
  readonly signal?: AbortSignal | undefined;
  /** 60 s unless told. */
  readonly timeoutMs?: number;
  /** Return any exit code instead of throwing. */
  readonly anyExit?: boolean;
  /** Called with each piece of standard error, for progress. */
  readonly onStderr?: (text: string) => void;
}

/** How a command ended. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A command that failed: facts as fields. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly command: readonly string[];
  readonly result: RunResult | undefined;

  constructor(command: readonly string[], why: string, result?: RunResult, options?: ErrorOptions) {
    const tail = (result?.stderr ?? '').trim() || (result?.stdout ?? '').trim();
    super(`${command.join(' ')}: ${why}${tail === '' ? '' : `: ${tail.slice(-2000)}`}`, options);
    this.command = command;
    this.result = result;
  }
}

/**
 * Runs a command to its end and returns what it printed.
 *
 * @throws CommandError on an exit code other than 0 (unless `anyExit`), a time-out, or a command that cannot start.
 */
export function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [file = '', ...args] = command;
  const timeoutMs = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) {
      reject(options.signal.reason as Error);
      return;
    }
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const abort = (): void => void child.kill('SIGKILL');
    options.signal?.addEventListener('abort', abort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(text);
    });
    // A command that ends without reading its input is not an error of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.on('error', (error) => {
      settle();
      reject(new CommandError(command, error.message, undefined, { cause: error }));
    });
    child.on('close', (code, killedBy) => {
      settle();
      const result: RunResult = { stdout, stderr, code: code ?? 128 };
      if (timedOut) reject(new CommandError(command, `not done within ${(timeoutMs / 1000).toString()} s`, result));
      else if (options.signal?.aborted === true) reject(options.signal.reason as Error);
      else if (code !== 0 && options.anyExit !== true)
        reject(new CommandError(command, killedBy === null ? `exit ${String(code)}` : `ended by ${killedBy}`, result));
      else resolve(result);
    });
  });
}
