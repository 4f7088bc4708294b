import type { Writable } from 'node:stream';
import { CodedError } from '../lib/errors.ts';

/** Stream type, three zero bytes, length (Docker API "Stream format"). */
const HEADER_BYTES = 8;
const STDERR = 2;

/** Takes one chunk of the engine's stream; resolves when there is room for the next. */
export type Consume = (chunk: Buffer) => Promise<void>;

/**
 * Takes apart the engine's stream of a command without a terminal, in which frames of standard output and error alternate. Output
 * waits for whichever side is slow, so that nothing piles up in memory. A side that nobody wants is thrown away.
 */
export function createDemux(stdout: Writable | undefined, stderr: Writable | undefined): Consume {
  let header = Buffer.alloc(0);
  let left = 0;
  let target: Writable | undefined;

  return async (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const part = chunk.subarray(at, at + HEADER_BYTES - header.length);
        header = Buffer.concat([header, part]);
        at += part.length;
        if (header.length < HEADER_BYTES) return;
        target = isStderr(header) ? stderr : stdout;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const part = chunk.subarray(at, at + left);
      at += part.length;
      left -= part.length;
      if (target !== undefined) await writeAll(target, part);
    }
  };
}

/** Resolves when the writable has room again; a destroyed one swallows the data, for its reader has left. */
export function writeAll(target: Writable, data: Uint8Array): Promise<void> {
  if (target.destroyed || target.writableEnded || target.write(data)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      target.off('drain', done);
      target.off('close', done);
      resolve();
    };
    target.once('drain', done);
    target.once('close', done);
  });
}

function isStderr(header: Buffer): boolean {
  const type = header[0] ?? 0;
  if (type > STDERR || header[1] !== 0 || header[2] !== 0 || header[3] !== 0) {
    throw new CodedError('Internal', 'the engine sent a frame that is neither standard output nor standard error');
  }
  return type === STDERR;
}
