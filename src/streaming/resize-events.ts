import type { Readable } from 'node:stream';
import { AsyncQueue } from './async-queue.ts';
import type { TerminalSize } from './types.ts';

/** A size is some thirty characters of JSON; a client that sends more without closing a brace is not sending sizes. */
const MAX_PENDING_CHARACTERS = 1024;
const MAX_SIZE = 0xffff;

/**
 * Terminal sizes out of the resize stream: JSON objects one behind the other (client-go remotecommand/resize.go). Only the newest
 * waits for its reader. The first thing that is not a size ends them, as it does in the kubelet; the session goes on.
 */
export function readResizeEvents(stream: Readable | undefined, signal: AbortSignal): AsyncIterable<TerminalSize> {
  const sizes = new AsyncQueue<TerminalSize>(1);
  const end = (): void => {
    stream?.removeListener('data', onData);
    stream?.resume(); // whatever follows is thrown away
    signal.removeEventListener('abort', end);
    sizes.end();
  };
  let pending = '';
  const onData = (chunk: Buffer): void => {
    pending += chunk.toString('utf8');
    for (;;) {
      const close = pending.indexOf('}');
      if (close < 0) break;
      const size = parseSize(pending.slice(0, close + 1));
      if (size === undefined) {
        end();
        return;
      }
      pending = pending.slice(close + 1);
      sizes.push(size);
    }
    if (pending.length > MAX_PENDING_CHARACTERS) end();
  };
  if (stream === undefined || signal.aborted) {
    sizes.end();
    return sizes;
  }
  signal.addEventListener('abort', end, { once: true });
  stream.on('data', onData);
  stream.once('end', end);
  stream.once('close', end);
  return sizes;
}

/** The object that a resize stream carries for a size. */
export function encodeSize(size: TerminalSize): Buffer {
  return Buffer.from(`${JSON.stringify({ Width: size.width, Height: size.height })}\n`);
}

function parseSize(text: string): TerminalSize | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  // Go reads names in either case.
  const fields = new Map(Object.entries(parsed).map(([name, value]): [string, unknown] => [name.toLowerCase(), value]));
  const [width, height] = [fields.get('width') ?? 0, fields.get('height') ?? 0];
  return isSize(width) && isSize(height) ? { width, height } : undefined;
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SIZE;
}
