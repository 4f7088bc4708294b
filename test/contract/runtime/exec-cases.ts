import { createHash, randomBytes } from 'node:crypto';
import { Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { errorCode } from '../../../src/lib/errors.ts';
import type { RemoteCommandIo, StreamingRuntime, TerminalSize } from '../../../src/streaming/types.ts';
import { waitFor } from '../../cluster/wait.ts';
import type { Bed, ContractCase } from './bed.ts';

export const execCases: readonly ContractCase[] = [
  {
    title: 'execSync answers both streams and the exit code',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      expect(await bed.exec(id, 'echo out; echo err >&2; exit 3')).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 3 });
      expect(await bed.exec(id, 'exit 0', 0)).toEqual({ stdout: '', stderr: '', exitCode: 0 });
    },
  },
  {
    title: 'execSync of what takes too long is DeadlineExceeded, and nothing of it stays behind',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 600');
      const began = Date.now();
      const failure = await bed.exec(id, 'sleep 4711 & sleep 4712', 1).then(() => undefined, errorCode);
      expect(failure).toBe('DeadlineExceeded');
      expect(Date.now() - began).toBeLessThan(20_000);
      await waitFor('the command to be gone', async () => !(await bed.exec(id, 'ps -o args')).stdout.includes('sleep 471'), {
        timeoutMs: 20_000,
      });
    },
  },
  {
    title: 'execSync waits for a command that has closed its output',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      expect((await bed.exec(id, 'exec >&- 2>&-; sleep 0.5; exit 8')).exitCode).toBe(8);
    },
  },
  {
    title: 'execSync keeps at most 16 MiB of output',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      const { stdout, exitCode } = await bed.runtime.execSync(id, ['sh', '-c', 'head -c 20000000 /dev/zero'], 60, bed.signal);
      expect(stdout.byteLength).toBeLessThanOrEqual(16 * 1024 * 1024);
      expect(stdout.byteLength).toBeGreaterThan(15 * 1024 * 1024);
      expect(exitCode).toBe(0);
    },
  },
  {
    title: 'execSync of a program that does not exist fails or has exit code 126 or 127',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      const exitCode = await bed.runtime.execSync(id, ['/no/such'], 5, bed.signal).then(
        (result) => result.exitCode,
        () => 127,
      );
      expect([126, 127]).toContain(exitCode);
    },
  },
  {
    title: 'commands in a container that does not run are FailedPrecondition',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'true');
      await bed.reaches(id, 'exited');
      expect(await bed.exec(id, 'true').then(() => undefined, errorCode)).toBe('FailedPrecondition');
    },
  },
  {
    title: 'exec joins all three streams, half-closes the input and answers the exit code',
    run: streaming(async (bed, runtime) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      const io = collectedIo(Readable.from(['a\n', 'b\n']));
      const exitCode = await runtime.exec(id, ['sh', '-c', 'cat; echo done >&2; exit 4'], false, io, bed.signal);
      expect([io.out(), io.err(), exitCode]).toEqual(['a\nb\n', 'done\n', 4]);
    }),
  },
  {
    title: 'exec carries 50 MB out and 20 MB in byte for byte',
    run: streaming(async (bed, runtime) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      const sent = randomBytes(20_000_000);
      const inward = collectedIo(Readable.from(chunks(sent)));
      await runtime.exec(id, ['sha256sum'], false, inward, bed.signal);
      expect(inward.out().split(' ')[0]).toBe(createHash('sha256').update(sent).digest('hex'));
      const hash = createHash('sha256');
      let bytes = 0;
      const stdout = new Writable({
        write(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          bytes += chunk.length;
          setImmediate(done);
        },
      });
      const script = 'head -c 50000000 /dev/urandom | tee /tmp/sent; sha256sum /tmp/sent >&2';
      const outward = { ...collectedIo(undefined), stdout };
      await runtime.exec(id, ['sh', '-c', script], false, outward, bed.signal);
      expect(bytes).toBe(50_000_000);
      expect(outward.err().split(' ')[0]).toBe(hash.digest('hex'));
    }),
  },
  {
    title: 'exec with a terminal has one, of the size asked for',
    run: streaming(async (bed, runtime) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 60');
      const input = new PassThrough();
      const io = { ...collectedIo(input), resize: sizes([{ width: 123, height: 45 }]) };
      const done = runtime.exec(id, ['sh'], true, io, bed.signal);
      input.write('while [ "$(stty size)" != "45 123" ]; do sleep 0.1; done; tty && echo re""sized; exit 7\n');
      expect(await done).toBe(7);
      expect(io.out()).toContain('/dev/pts/');
      expect(io.out()).toContain('resized');
    }),
  },
  {
    title: 'a command whose client is gone is killed',
    run: streaming(async (bed, runtime) => {
      const id = await bed.start(await bed.sandbox(), 'sleep 600');
      const client = new AbortController();
      const done = runtime.exec(id, ['sh', '-c', 'sleep 4713'], false, collectedIo(new PassThrough()), client.signal);
      const running = async (): Promise<boolean> => (await bed.exec(id, 'ps -o args')).stdout.includes('sleep 4713');
      await waitFor('the command to run', running, { timeoutMs: 20_000 });
      client.abort(new Error('gone'));
      await expect(done).rejects.toThrow('gone');
      await waitFor('the command to be gone', async () => !(await running()), { timeoutMs: 20_000 });
    }),
  },
  {
    title: 'attach joins the streams of the main process until it ends',
    run: streaming(async (bed, runtime) => {
      const script = 'while read line; do echo "got $line"; [ "$line" = end ] && exit 0; done';
      const id = await bed.start(await bed.sandbox(), script, { stdin: true, stdinOnce: true });
      const input = new PassThrough();
      const io = collectedIo(input);
      const done = runtime.attach(id, false, io, bed.signal);
      input.write('one\n');
      await waitFor('the answer', () => io.out().includes('got one'), { timeoutMs: 20_000 });
      input.write('end\n');
      await done;
      expect(io.out()).toBe('got one\ngot end\n');
      expect((await bed.reaches(id, 'exited')).exitCode).toBe(0);
    }),
  },
  {
    title: 'with stdinOnce the end of the first attached input ends the container’s',
    run: streaming(async (bed, runtime) => {
      const id = await bed.start(await bed.sandbox(), 'cat; echo finished', { stdin: true, stdinOnce: true });
      const io = collectedIo(Readable.from(['text\n']));
      await runtime.attach(id, false, io, bed.signal);
      expect(io.out()).toBe('text\nfinished\n');
    }),
  },
  {
    title: 'a port of the sandbox is reached on its localhost, half-closed in both directions',
    run: streaming(async (bed, runtime) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'while :; do nc -l -p 7777 -e sh -c "cat; echo bye"; done');
      await waitFor('the port', async () => (await bed.exec(id, 'netstat -ltn')).stdout.includes(':7777'), { timeoutMs: 20_000 });
      const { client, far } = pair();
      const done = runtime.portForward(sandbox.id, 7777, far, bed.signal);
      client.end('hello\n');
      let answer = '';
      for await (const chunk of client) answer += String(chunk);
      await done;
      expect(answer).toBe('hello\nbye\n');
      await expect(runtime.portForward(sandbox.id, 7778, pair().far, bed.signal)).rejects.toThrow();
    }),
  },
];

/** A case for runtimes whose streaming is in this process; the others are tested through their URLs. */
function streaming(run: (bed: Bed, runtime: StreamingRuntime) => Promise<void>): ContractCase['run'] {
  return async (bed) => {
    if (bed.under.streaming !== undefined) await run(bed, bed.under.streaming);
  };
}

function collectedIo(stdin: Readable | undefined): RemoteCommandIo & { readonly out: () => string; readonly err: () => string } {
  const [stdout, stderr] = [collector(), collector()];
  return { stdin, stdout: stdout.stream, stderr: stderr.stream, resize: sizes([]), out: stdout.text, err: stderr.text };
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      parts.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString() };
}

async function* sizes(all: readonly TerminalSize[]): AsyncGenerator<TerminalSize> {
  yield* all;
}

function* chunks(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += 100_000) yield data.subarray(at, at + 100_000);
}

/** Two ends of one connection in memory. */
function pair(): { readonly client: PairEnd; readonly far: PairEnd } {
  const [client, far] = [new PairEnd(), new PairEnd()];
  client.other = far;
  far.other = client;
  return { client, far };
}

class PairEnd extends Duplex {
  other: PairEnd | undefined;

  override _read(): void {
    // pushed by the other end
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }
}
