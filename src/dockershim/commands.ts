import { Writable, type Duplex, type Readable } from 'node:stream';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { FailedPreconditionError, NotFoundError, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { NetnsDialer, NetnsTarget } from '../network/netns-dialer.ts';
import type { ExecSyncResult } from '../runtime/types.ts';
import { joinStreams } from '../streaming/join-streams.ts';
import type { RemoteCommandIo, StreamingRuntime, TerminalSize } from '../streaming/types.ts';
import { interpretState, sandboxState } from './container-state.ts';
import type { ContainerView } from './container-view.ts';
import type { Containers, KnownContainer } from './containers.ts';
import { createDemux, writeAll, type Consume } from './demux.ts';
import type { DockerEngine, EngineStreams } from './engine.ts';
import type { EngineLink } from './engine-link.ts';
import { killProcessTree } from './process-tree.ts';

export interface CommandsOptions {
  readonly engine: DockerEngine;
  readonly link: EngineLink;
  readonly view: ContainerView;
  readonly containers: Containers;
  readonly dialer: NetnsDialer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Output of one execSync that is kept, both streams together; the rest is thrown away (CRI messages are at most 16 MiB). */
const MAX_SYNC_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Between looks at a command that has closed its output but not ended. */
const FIRST_EXIT_POLL_MS = 5;
const MAX_EXIT_POLL_MS = 1_000;

/** Commands in containers, their main processes' streams, and connections into sandboxes. */
export class Commands implements StreamingRuntime {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  async execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number, signal: AbortSignal): Promise<ExecSyncResult> {
    const container = await this.#running(containerId, signal);
    const room = { bytes: MAX_SYNC_OUTPUT_BYTES };
    const stdout = new Collector(room);
    const stderr = new Collector(room);
    const io: RemoteCommandIo = { stdin: undefined, stdout: stdout.stream, stderr: stderr.stream, resize: noSizes() };
    const run = (abort: AbortSignal): Promise<number> => this.#exec(container, cmd, false, io, abort);
    const stage = `command ${JSON.stringify(cmd.join(' '))} in container ${containerId}`;
    const exitCode =
      timeoutSeconds > 0 ? await withDeadline(this.#options.clock, stage, timeoutSeconds * 1000, signal, run) : await run(signal);
    return { stdout: stdout.bytes(), stderr: stderr.bytes(), exitCode };
  }

  async exec(containerId: string, cmd: readonly string[], tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<number> {
    return this.#exec(await this.#running(containerId, signal), cmd, tty, io, signal);
  }

  async attach(containerId: string, _tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<void> {
    const { engine } = this.#options;
    const { inspection } = await this.#running(containerId, signal);
    const stream = await engine.attachContainer(containerId, wanted(io, inspection.tty), signal);
    void this.#resize(io.resize, (size) => engine.resizeContainer(containerId, size, signal));
    await joinCommand(stream, inspection.tty, io, signal);
  }

  async portForward(podSandboxId: string, port: number, stream: Duplex, signal: AbortSignal): Promise<void> {
    const target = await this.#targetOf(podSandboxId, signal);
    const connection = await this.#options.dialer.dial(target, port, signal);
    await joinStreams(stream, connection, signal);
  }

  async #exec(
    { inspection }: KnownContainer,
    cmd: readonly string[],
    tty: boolean,
    io: RemoteCommandIo,
    signal: AbortSignal,
  ): Promise<number> {
    const { engine } = this.#options;
    const execId = await engine.createExec(inspection.id, { cmd, tty, ...wanted(io, tty) }, signal);
    // The signal ends the command, and the command its stream: the engine itself would let it run on.
    const stream = await engine.startExec(execId, { tty }, signal);
    void this.#resize(io.resize, (size) => engine.resizeExec(execId, size, signal));
    try {
      await joinCommand(stream, tty, io, signal);
      return await this.#exitCode(execId, signal);
    } catch (error) {
      await this.#kill(execId, inspection.id);
      throw error;
    }
  }

  /** The stream ends a moment before the engine knows how the command ended, or long before if the command closed its output. */
  async #exitCode(execId: string, signal: AbortSignal): Promise<number> {
    const { engine, clock } = this.#options;
    for (let wait = FIRST_EXIT_POLL_MS; ; wait = Math.min(wait * 2, MAX_EXIT_POLL_MS)) {
      const { running, exitCode } = await engine.inspectExec(execId, signal);
      if (!running && exitCode !== undefined) return exitCode;
      await clock.sleep(wait, signal);
    }
  }

  /** The caller has left; the command must not stay behind. */
  async #kill(execId: string, containerId: string): Promise<void> {
    const { engine, logger } = this.#options;
    try {
      const { running, pid } = await engine.inspectExec(execId, new AbortController().signal);
      if (running) await killProcessTree(pid, containerId);
    } catch (error) {
      logger.warn('Cannot kill a command whose caller has left', { container: containerId, error: errorMessage(error) });
    }
  }

  async #resize(sizes: AsyncIterable<TerminalSize>, apply: (size: TerminalSize) => Promise<void>): Promise<void> {
    try {
      for await (const size of sizes) if (size.width > 0 && size.height > 0) await apply(size);
    } catch (error) {
      // A terminal of the wrong size, or the command has just ended.
      this.#options.logger.debug('Cannot resize a terminal', { error: errorMessage(error) });
    }
  }

  async #running(containerId: string, signal: AbortSignal): Promise<KnownContainer> {
    const container = await this.#options.containers.known(containerId, signal);
    if (interpretState(container.inspection).state !== 'running') {
      throw new FailedPreconditionError(`container ${containerId} is not running`);
    }
    return container;
  }

  async #targetOf(podSandboxId: string, signal: AbortSignal): Promise<NetnsTarget> {
    const { link, view } = this.#options;
    await link.connected(signal);
    const entry = await view.get(podSandboxId, signal);
    if (entry?.record.kind !== 'sandbox') throw new NotFoundError(`pod sandbox ${podSandboxId} does not exist`);
    if (sandboxState(entry.inspection) !== 'ready') throw new FailedPreconditionError(`pod sandbox ${podSandboxId} is not running`);
    return entry.record.namespaceOptions.network === 'node' ? { hostNetwork: true } : { pid: entry.inspection.pid };
  }
}

/** Joins the engine's stream to the caller's until the output ends. Input that ends first is half-closed. */
async function joinCommand(stream: Duplex, tty: boolean, io: RemoteCommandIo, signal: AbortSignal): Promise<void> {
  const consume: Consume = tty ? toTerminal(io.stdout) : createDemux(io.stdout, io.stderr);
  const onAbort = (): void => void stream.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  stream.on('error', () => undefined); // told by the reading below
  feed(io.stdin, stream);
  try {
    for await (const chunk of stream) if (Buffer.isBuffer(chunk)) await consume(chunk);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    io.stdin?.unpipe(stream);
    stream.destroy();
  }
  signal.throwIfAborted();
}

function feed(stdin: Readable | undefined, stream: Writable): void {
  stdin?.pipe(stream);
}

function toTerminal(stdout: Writable | undefined): Consume {
  return (chunk) => (stdout === undefined ? Promise.resolve() : writeAll(stdout, chunk));
}

function wanted(io: RemoteCommandIo, tty: boolean): EngineStreams {
  return { stdin: io.stdin !== undefined, stdout: io.stdout !== undefined, stderr: io.stderr !== undefined && !tty };
}

async function* noSizes(): AsyncGenerator<TerminalSize> {
  yield* [];
}

/** Keeps what is written to it while there is room, which several may share. */
class Collector {
  readonly stream: Writable;
  readonly #chunks: Buffer[] = [];

  constructor(room: { bytes: number }) {
    const keep = (chunk: Buffer): void => {
      const kept = chunk.subarray(0, room.bytes);
      room.bytes -= kept.length;
      if (kept.length > 0) this.#chunks.push(kept);
    };
    this.stream = new Writable({
      write(chunk: Buffer, _encoding, done): void {
        keep(chunk);
        done();
      },
    });
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}
