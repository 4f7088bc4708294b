/** What kubectl does, over each protocol, in the fewest lines: SPDY through our own client role, WebSocket through ws. */
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createWebSocketStream, WebSocket } from 'ws';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { chosenSpdyProtocol, dialSpdy } from '../../../src/streaming/dial-upgrade.ts';
import { SpdyConnection } from '../../../src/streaming/spdy/connection.ts';
import type { MuxStream } from '../../../src/streaming/mux-stream.ts';

const never = new AbortController().signal;

export interface RemoteCommand {
  readonly stdin?: Readable;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Sends sizes; a terminal. */
  readonly sizes?: readonly { width: number; height: number }[];
  /** The client vanishes when this aborts. */
  readonly vanish?: AbortSignal;
  /** Called with each piece of output. */
  readonly onStdout?: (chunk: Buffer) => void;
}

export interface RemoteCommandOutcome {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly status: Buffer;
}

/** Runs a remote command as a client of `spdy/<sub-protocol>` or `ws/<sub-protocol>`. Rejects with the HTTP status when refused. */
export function runRemoteCommand(protocol: string, url: string, command: RemoteCommand): Promise<RemoteCommandOutcome> {
  const [transport, subProtocol = ''] = protocol.split('/', 2);
  return transport === 'spdy' ? overSpdy(url, subProtocol, command) : overWebSocket(url, subProtocol, command);
}

/** A SPDY connection to a streaming URL; when `vanish` aborts its socket is closed without a word. */
export async function connectSpdy(url: string, subProtocol: string, vanish?: AbortSignal): Promise<SpdyConnection> {
  const answer = await dialSpdy(new URL(url), [subProtocol], systemClock, never);
  if (!answer.switched) throw new Error(`HTTP ${answer.status}: ${answer.text}`);
  if (chosenSpdyProtocol(answer.response, '') !== subProtocol) throw new Error('the server chose another protocol');
  vanish?.addEventListener('abort', () => answer.socket.destroy());
  return new SpdyConnection(answer.socket, answer.head, { role: 'client', clock: systemClock, log: silentLogger });
}

/** SPDY in a WebSocket, as client-go tunnels a port-forward. ws cannot name the protocol, so the handshake names it beside. */
export async function connectTunnel(url: string): Promise<SpdyConnection> {
  const protocol = 'SPDY/3.1+portforward.k8s.io';
  const webSocket = new WebSocket(url.replace('http', 'ws'), {
    headers: { 'Sec-WebSocket-Protocol': protocol },
    finishRequest: (request) => void request.end(),
  });
  // ws takes a sub-protocol that it did not ask for as an error, and asked for it is not, as far as ws knows.
  webSocket.on('upgrade', (response) => {
    if (response.headers['sec-websocket-protocol'] !== protocol) throw new Error('the server chose another protocol');
    delete response.headers['sec-websocket-protocol'];
  });
  await once(webSocket, 'open');
  return new SpdyConnection(createWebSocketStream(webSocket), Buffer.alloc(0), {
    role: 'client',
    clock: systemClock,
    log: silentLogger,
  });
}

/** Opens one forwarded connection. */
export async function forward(
  client: SpdyConnection,
  port: number,
  requestId: string,
): Promise<{ data: MuxStream; error: Promise<Buffer> }> {
  const open = (streamtype: string): Promise<MuxStream> =>
    client.openStream(
      new Map([
        ['streamtype', streamtype],
        ['port', String(port)],
        ['requestid', requestId],
      ]),
      never,
    );
  const error = await open('error');
  error.end();
  // Cut off with its connection, it has told nothing.
  const told = buffer(error).catch(() => Buffer.alloc(0));
  return { error: told, data: await open('data') };
}

/** A WebSocket; `onMessage` hears the messages that come with the handshake's answer too. */
export async function connectWebSocket(url: string, protocol: string, onMessage?: (message: Buffer) => void): Promise<WebSocket> {
  const webSocket = protocol === '' ? new WebSocket(url.replace('http', 'ws')) : new WebSocket(url.replace('http', 'ws'), protocol);
  if (onMessage) webSocket.on('message', onMessage);
  await new Promise<void>((resolve, reject) => {
    webSocket.once('open', resolve);
    webSocket.once('error', reject);
  });
  return webSocket;
}

async function overSpdy(url: string, protocol: string, command: RemoteCommand): Promise<RemoteCommandOutcome> {
  const connection = await connectSpdy(url, protocol, command.vanish);
  const open = (type: string): Promise<MuxStream> => connection.openStream(new Map([['streamtype', type]]), never);
  const read = (stream: Duplex): Promise<Buffer> => buffer(stream).catch(() => Buffer.alloc(0));
  const status = read(await open('error'));
  const stdin = command.stdin && (await open('stdin'));
  const stdoutStream = command.stdout && (await open('stdout'));
  if (stdoutStream && command.onStdout) stdoutStream.on('data', command.onStdout);
  const stdout = stdoutStream && !command.onStdout ? read(stdoutStream) : Buffer.alloc(0);
  const stderr = command.stderr ? read(await open('stderr')) : Buffer.alloc(0);
  if (command.sizes) {
    const resize = await open('resize');
    for (const { width, height } of command.sizes) resize.write(`{"Width":${width},"Height":${height}}\n`);
  }
  if (stdin) command.stdin?.pipe(stdin).resume();
  const outcome = { status: await status, stdout: await stdout, stderr: await stderr };
  await connection.close();
  return outcome;
}

async function overWebSocket(url: string, protocol: string, command: RemoteCommand): Promise<RemoteCommandOutcome> {
  const base64 = protocol.includes('base64');
  const received = new Map<number, Buffer[]>([1, 2, 3].map((channel) => [channel, []]));
  const webSocket = await connectWebSocket(url, protocol, (message) => {
    const channel = message.readUInt8(0) - (base64 ? 48 : 0);
    const data = base64 ? Buffer.from(message.subarray(1).toString(), 'base64') : message.subarray(1);
    if (channel === 1 && command.onStdout) command.onStdout(data);
    else received.get(channel)?.push(data);
  });
  const closed = new Promise((resolve) => webSocket.once('close', resolve));
  if (command.vanish?.aborted)
    webSocket.terminate(); // the command runs as soon as the server has answered
  else command.vanish?.addEventListener('abort', () => webSocket.terminate());
  const send = (channel: number, data: Buffer): Promise<void> =>
    new Promise((resolve) =>
      webSocket.send(base64 ? `${channel}${data.toString('base64')}` : Buffer.concat([Buffer.of(channel), data]), () => resolve()),
    );
  for (const { width, height } of command.sizes ?? []) await send(4, Buffer.from(`{"Width":${width},"Height":${height}}`));
  if (command.stdin) {
    for await (const chunk of command.stdin) {
      if (webSocket.readyState !== WebSocket.OPEN) break;
      await send(0, chunk as Buffer);
    }
    if (protocol.startsWith('v5.')) webSocket.send(Buffer.of(255, 0));
  }
  await closed;
  const [stdout, stderr, status] = [1, 2, 3].map((channel) => Buffer.concat(received.get(channel) ?? []));
  return { stdout: stdout!, stderr: stderr!, status: status! };
}
