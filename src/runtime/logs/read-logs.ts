import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { NotFoundError } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import { FileChanges } from './file-changes.ts';
import { LineFormatter } from './line-formatter.ts';
import { LineSplitter } from './line-splitter.ts';
import { openLog, resolveLogPath, successors } from './log-files.ts';
import { tailOffset } from './tail.ts';

/** What a reader of logs may ask for (Kubernetes PodLogOptions; `previous` and `container` choose the file). */
export interface LogOptions {
  readonly follow?: boolean;
  /** Lines from the end; absent: all. */
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. Of this and `sinceSeconds` the later counts. */
  readonly sinceTime?: string;
  /** Bytes of output, then the end. */
  readonly limitBytes?: number;
  readonly timestamps?: boolean;
  readonly stream?: 'All' | 'Stdout' | 'Stderr';
}

export interface LogRequest {
  /** Absolute path (ContainerStatus.logPath); symlinks are followed. */
  readonly path: string;
  readonly options: LogOptions;
  /** Resolves when the container no longer runs. Only asked for when following; absent: it is dead. */
  readonly ended?: Promise<void>;
}

export interface LogDeps {
  readonly clock: Clock;
}

/** One read of the file. */
const READ_BYTES = 64 * 1024;

/**
 * A container's log, oldest line first, in chunks of whole lines and pieces. Reads only as fast as it is consumed. Ends at the end
 * of the file, or, when following, once the container is dead and its log is read to the end; rotations are followed by inode.
 * @throws NotFoundError when there is no such file
 */
export async function* readLogs(request: LogRequest, deps: LogDeps, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  const { options } = request;
  const formatter = new LineFormatter({
    timestamps: options.timestamps ?? false,
    stream: options.stream ?? 'All',
    sinceMs: sinceOf(options, deps.clock.now()),
    limitBytes: options.limitBytes,
  });
  const file = await resolveLogPath(request.path);
  const handle = await openLog(file);
  if (handle === undefined) throw new NotFoundError(`there is no log file ${quote(request.path)}`);
  const reader = await LogReader.start(handle, formatter, options.tailLines);
  try {
    if (options.follow === true) yield* follow(reader, file, request.ended ?? Promise.resolve(), deps.clock, signal);
    else yield* reader.readAll(await reader.size(), signal);
  } finally {
    await reader.close();
  }
}

async function* follow(
  reader: LogReader,
  file: string,
  ended: Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  using changes = new FileChanges(path.dirname(file), clock);
  let dead = false;
  const onEnd = (): void => {
    dead = true;
    changes.notify();
  };
  ended.then(onEnd, onEnd); // nobody left to say that it runs: read to the end as for a dead one
  for (;;) {
    const wasDead = dead; // known before reading: what it wrote last is in the file by now
    yield* reader.read(signal);
    if (reader.full) return;
    for (const next of await successors(file, await reader.inode())) {
      yield* reader.read(signal); // written between the last read and the rotation
      const handle = await openLog(next);
      if (handle) await reader.continueWith(handle);
      yield* reader.read(signal);
      if (reader.full) return;
    }
    if (wasDead) {
      yield* reader.flush();
      return;
    }
    await changes.next(signal);
  }
}

/** Reads one file after the other through one formatter. */
class LogReader {
  readonly #formatter: LineFormatter;
  readonly #splitter = new LineSplitter();
  readonly #buffer = Buffer.alloc(READ_BYTES);
  #handle: FileHandle;
  #position: number;

  private constructor(handle: FileHandle, formatter: LineFormatter, position: number) {
    this.#handle = handle;
    this.#formatter = formatter;
    this.#position = position;
  }

  static async start(handle: FileHandle, formatter: LineFormatter, tailLines: number | undefined): Promise<LogReader> {
    try {
      const position = tailLines === undefined ? 0 : await tailOffset(handle, (await handle.stat()).size, tailLines);
      return new LogReader(handle, formatter, position);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get full(): boolean {
    return this.#formatter.full;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async inode(): Promise<number> {
    return (await this.#handle.stat()).ino;
  }

  /** To the end of the file as it is now, an unfinished last line included. */
  async *readAll(end: number, signal: AbortSignal): AsyncGenerator<Buffer, void> {
    yield* this.read(signal, end);
    yield* this.flush();
  }

  /** What has been added since the last read, up to `end`. */
  async *read(signal: AbortSignal, end = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer, void> {
    if ((await this.size()) < this.#position) this.#position = 0; // truncated in place by a log rotator
    while (!this.full && this.#position < end) {
      signal.throwIfAborted();
      const length = Math.min(READ_BYTES, end - this.#position);
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, length, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      const output = [...this.#splitter.push(this.#buffer.subarray(0, bytesRead))].flatMap((line) => this.#formatter.format(line) ?? []);
      if (output.length > 0) yield Buffer.concat(output);
    }
  }

  *flush(): Generator<Buffer, void> {
    const last = this.#splitter.flush();
    const output = last && this.#formatter.format(last);
    if (output) yield output;
  }

  async continueWith(handle: FileHandle): Promise<void> {
    await this.#handle.close();
    this.#handle = handle;
    this.#position = 0;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function sinceOf({ sinceSeconds, sinceTime }: LogOptions, nowMs: number): number | undefined {
  const times = [
    ...(sinceSeconds === undefined ? [] : [nowMs - sinceSeconds * 1000]),
    ...(sinceTime === undefined ? [] : [Date.parse(sinceTime)]),
  ].filter((time) => !Number.isNaN(time));
  return times.length === 0 ? undefined : Math.max(...times);
}
