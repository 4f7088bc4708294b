import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { chosenSpdyProtocol, type SwitchedUpgrade } from './dial-upgrade.ts';
import type { MuxStream } from './mux-stream.ts';
import { hasResizeStream } from './protocols.ts';
import { acceptWebSocketRemoteCommand, DEFAULT_STREAM_CREATION_TIMEOUT_MS } from './remote-command.ts';
import type { ProtocolSession } from './remote-command-session.ts';
import { encodeSize } from './resize-events.ts';
import { SpdyConnection } from './spdy/connection.ts';
import { decodeStatus, type StreamStatus } from './status.ts';
import type { RemoteCommandStreams, TerminalSize, UpgradeRequest } from './types.ts';

/** Longest status that is passed on, in bytes. */
const MAX_STATUS_BYTES = 64 * 1024;

/**
 * Serves a WebSocket remote command from a runtime that was dialed over SPDY: a stream for each channel, and the runtime's status as
 * the session's (apiserver pkg/util/proxy/streamtranslator.go). Resolves when both connections are over.
 * @throws InvalidInputError after the client was answered that its sub-protocols are not known
 */
export async function translateRemoteCommand(
  upgrade: UpgradeRequest,
  runtime: SwitchedUpgrade,
  streams: RemoteCommandStreams,
  settings: { readonly clock: Clock; readonly log: Logger; readonly idleTimeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  const protocol = chosenSpdyProtocol(runtime.response, 'channel.k8s.io');
  const connection = new SpdyConnection(runtime.socket, runtime.head, { role: 'client', clock: settings.clock, log: settings.log });
  const closeRuntime = (): void => void connection.close();
  signal.addEventListener('abort', closeRuntime, { once: true });
  try {
    const session = acceptWebSocketRemoteCommand(upgrade, streams, {
      ...settings,
      streamCreationTimeoutMs: DEFAULT_STREAM_CREATION_TIMEOUT_MS,
    });
    session.signal.addEventListener('abort', closeRuntime, { once: true });
    let status: StreamStatus;
    try {
      status = await carry(session, connection, protocol, streams, signal);
    } catch (error) {
      await session.finish({ error: errorMessage(error) });
      return;
    }
    await session.finishWith(status);
  } finally {
    signal.removeEventListener('abort', closeRuntime);
    await connection.close();
  }
}

async function carry(
  session: ProtocolSession,
  connection: SpdyConnection,
  protocol: string,
  streams: RemoteCommandStreams,
  signal: AbortSignal,
): Promise<StreamStatus> {
  const open = (type: string): Promise<MuxStream> => connection.openStream(new Map([['streamtype', type]]), signal);
  const error = await open('error');
  const statusBytes = readAll(error, MAX_STATUS_BYTES);
  const outputs: Promise<void>[] = [];
  // The runtime begins when the last of the streams is there, so each is connected as soon as it is.
  if (session.stdin !== undefined) feed(session.stdin, await open('stdin'));
  if (session.stdout !== undefined) outputs.push(copy(await open('stdout'), session.stdout));
  if (session.stderr !== undefined) outputs.push(copy(await open('stderr'), session.stderr));
  if (streams.tty && hasResizeStream(protocol)) void sendSizes(session.resize, await open('resize'));
  await Promise.all(outputs);
  return decodeStatus(await statusBytes, protocol);
}

/** The client's input; what it sends after the command stopped reading is thrown away, so that it does not hold up the rest. */
function feed(from: Readable, to: MuxStream): void {
  to.resume();
  to.once('close', () => from.unpipe(to).resume());
  if (to.destroyed) from.resume();
  else from.pipe(to);
}

/** Copies until the source has ended or broken; the target stays open. */
async function copy(from: Readable, to: Writable): Promise<void> {
  from.pipe(to, { end: false });
  await Promise.race([whenOver(from), whenClosed(to)]);
}

async function sendSizes(sizes: AsyncIterable<TerminalSize>, to: MuxStream): Promise<void> {
  to.resume();
  for await (const size of sizes) {
    if (to.destroyed) return;
    await new Promise<void>((resolve) => to.write(encodeSize(size), () => resolve()));
  }
  to.end();
}

/** What a stream carries until it ends or breaks, cut off at `limit` bytes. */
async function readAll(stream: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < limit) chunks.push(chunk.subarray(0, limit - bytes));
    bytes += chunk.length;
  });
  await whenOver(stream);
  return Buffer.concat(chunks);
}

/** The readable side has ended or broken, perhaps long ago: a runtime that fails at once resets its streams with its first answer. */
async function whenOver(stream: Readable): Promise<void> {
  await finished(stream, { writable: false }).catch(() => undefined);
}

async function whenClosed(stream: Writable): Promise<void> {
  await finished(stream, { readable: false }).catch(() => undefined);
}
