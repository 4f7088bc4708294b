/** A runtime whose containers are this machine: enough to see what streaming does with real processes and sockets. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { joinStreams } from '../../../src/streaming/join-streams.ts';
import type { RemoteCommandIo, StreamingRuntime } from '../../../src/streaming/types.ts';

export class LocalRuntime implements StreamingRuntime {
  /** Handlers that have not returned. */
  running = 0;

  async exec(_containerId: string, cmd: readonly string[], _tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<number> {
    this.running += 1;
    try {
      return await this.#exec(cmd, io, signal);
    } finally {
      this.running -= 1;
    }
  }

  async attach(_containerId: string, _tty: boolean, io: RemoteCommandIo): Promise<void> {
    for await (const chunk of io.stdin ?? []) io.stdout?.write(chunk);
  }

  async portForward(_podSandboxId: string, port: number, stream: Duplex, signal: AbortSignal): Promise<void> {
    this.running += 1;
    try {
      const target = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      await once(target, 'connect');
      await joinStreams(stream, target, signal);
    } finally {
      this.running -= 1;
    }
  }

  async #exec(cmd: readonly string[], io: RemoteCommandIo, signal: AbortSignal): Promise<number> {
    const [program = '', ...args] = cmd;
    if (program === 'missing') throw new Error('executable file not found in $PATH');
    if (program === 'sizes') {
      for await (const { width, height } of io.resize) {
        io.stdout?.write(`${width}x${height}`);
        return 0;
      }
    }
    const child = spawn(program, args, { stdio: 'pipe' });
    const kill = (): void => {
      child.kill('SIGKILL');
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy(); // nobody reads what is left in them
    };
    signal.addEventListener('abort', kill, { once: true });
    child.stdin.on('error', () => undefined);
    if (io.stdin) io.stdin.pipe(child.stdin);
    else child.stdin.end();
    if (io.stdout) child.stdout.pipe(io.stdout, { end: false });
    else child.stdout.resume();
    if (io.stderr) child.stderr.pipe(io.stderr, { end: false });
    else child.stderr.resume();
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return exitCode ?? 137;
  }
}
