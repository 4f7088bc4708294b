import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { joinStreams } from '../../../src/streaming/join-streams.ts';

/**
 * Answers at once and closes with input unread, upon which its kernel resets the connection. A process of its own: in ours it would
 * close only between our writes and our reads.
 */
const HASTY_SERVER = `
  const server = require('node:net').createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    setTimeout(() => socket.write('last words', () => socket.destroy()), 2);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

test('a server that answers early and closes without reading its input is heard all the same', async () => {
  const server = spawn(process.execPath, ['-e', HASTY_SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(server.stdout, 'data')) as [Buffer];
  try {
    for (let round = 0; round < 100; round += 1) expect(await flood(Number(port.toString()))).toBe('last words');
  } finally {
    server.kill();
  }
});

/** Sends without end; answers with what comes back. */
async function flood(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const [near, far] = duplexPair();
  const joined = joinStreams(near, socket, new AbortController().signal);
  const send = (): void => {
    while (!far.writableEnded && far.write(Buffer.alloc(16 * 1024)));
  };
  far.on('drain', () => setImmediate(send));
  send();
  const heard = await text(far);
  far.end();
  await joined;
  return heard;
}
