import { readLogs, type LogDeps } from './read-logs.ts';

/** The last `maxLines` lines of a log, and of those the last `maxBytes` bytes. @throws NotFoundError when there is no such file */
export async function readLogTail(path: string, maxLines: number, maxBytes: number, deps: LogDeps, signal: AbortSignal): Promise<string> {
  let tail = Buffer.alloc(0);
  for await (const chunk of readLogs({ path, options: { tailLines: maxLines } }, deps, signal)) {
    tail = Buffer.concat([tail, chunk]);
    if (tail.length > maxBytes) tail = tail.subarray(tail.length - maxBytes);
  }
  return tail.toString('utf8');
}
