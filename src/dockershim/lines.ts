import { ResourceExhaustedError } from '../lib/errors.ts';

/** The lines of a stream as text, without empty ones. @throws ResourceExhaustedError when one is longer than `maxBytes` */
export async function* readLines(stream: AsyncIterable<unknown>, maxBytes: number): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    const data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    let from = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, from)) {
      const line = Buffer.concat([rest, data.subarray(from, end)])
        .toString('utf8')
        .trim();
      rest = Buffer.alloc(0);
      from = end + 1;
      if (line !== '') yield line;
    }
    rest = Buffer.concat([rest, data.subarray(from)]);
    if (rest.length > maxBytes) throw new ResourceExhaustedError(`a line is longer than ${String(maxBytes)} bytes`);
  }
  const last = rest.toString('utf8').trim();
  if (last !== '') yield last;
}
