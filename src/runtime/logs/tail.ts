import type { FileHandle } from 'node:fs/promises';
import { endsLine } from './log-line.ts';

const NEWLINE = 0x0a;
/** Big enough that a common tail takes one read, small enough to be nothing in memory. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Where the last `count` lines of the container begin, reading from the end: pieces of a long line count as one. A last line
 * without its newline counts too.
 */
export async function tailOffset(file: FileHandle, size: number, count: number): Promise<number> {
  if (count <= 0) return size;
  let seen = 0;
  let start = size;
  for await (const { offset, line } of linesBackwards(file, size)) {
    // A line is complete when the one before it ends: only then is it known where it began.
    if (endsLine(line) || start === size) seen += 1;
    if (seen > count) return start;
    start = offset;
  }
  return 0;
}

/** Lines of the file, the last first. */
async function* linesBackwards(file: FileHandle, size: number): AsyncGenerator<{ offset: number; line: Buffer }> {
  let rest = Buffer.alloc(0);
  let right = size;
  while (right > 0) {
    const left = Math.max(0, right - BLOCK_BYTES);
    const block = Buffer.alloc(right - left);
    await readFully(file, block, left);
    let window = Buffer.concat([block, rest]);
    // The newline that ends the file ends its last line and begins none.
    if (right === size && window.at(-1) === NEWLINE) window = window.subarray(0, -1);
    for (let newline = window.lastIndexOf(NEWLINE); newline !== -1; newline = window.lastIndexOf(NEWLINE)) {
      yield { offset: left + newline + 1, line: window.subarray(newline + 1) };
      window = window.subarray(0, newline);
    }
    rest = window;
    right = left;
  }
  if (size > 0) yield { offset: 0, line: rest };
}

async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) return; // truncated meanwhile: what is left are zero bytes, which are no lines
    done += bytesRead;
  }
}
