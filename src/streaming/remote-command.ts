import type { Clock } from '../lib/clock.ts';
import { withDeadline } from '../lib/abort.ts';
import type { Logger } from '../lib/log.ts';
import type { MuxStream } from './mux-stream.ts';
import { isWebSocketUpgrade, switchToSpdy } from './negotiate.ts';
import { Channel, hasResizeStream, SPDY_REMOTE_COMMAND_PROTOCOLS, WEBSOCKET_REMOTE_COMMAND_PROTOCOLS } from './protocols.ts';
import { ProtocolSession } from './remote-command-session.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { RemoteCommandStreams, UpgradeRequest } from './types.ts';
import { acceptWebSocket } from './websocket/accept.ts';
import { WebSocketChannels } from './websocket/channels.ts';

/** What every session is given. */
export interface SessionSettings {
  readonly clock: Clock;
  readonly log: Logger;
  /** A session on which nothing came or went for this long is closed; 0 is never. */
  readonly idleTimeoutMs: number;
  /** How long a SPDY client may take to open its streams. */
  readonly streamCreationTimeoutMs: number;
}

/** Longest silence on a session (kubelet streamingConnectionIdleTimeout). */
export const DEFAULT_IDLE_TIMEOUT_MS = 4 * 60 * 60 * 1000;
/** kubelet remotecommand.DefaultStreamCreationTimeout. */
export const DEFAULT_STREAM_CREATION_TIMEOUT_MS = 30_000;

/**
 * Agrees with the client on SPDY/3.1 or a WebSocket sub-protocol and waits until its streams are there. Aborting the signal ends
 * the session at any time.
 * @throws InvalidInputError when no protocol fits, DeadlineExceededError or UnavailableError when the streams do not come; the
 * client has been answered then
 */
export async function acceptRemoteCommand(
  upgrade: UpgradeRequest,
  streams: RemoteCommandStreams,
  settings: SessionSettings,
  signal: AbortSignal,
): Promise<ProtocolSession> {
  const session = isWebSocketUpgrade(upgrade.request)
    ? acceptWebSocketRemoteCommand(upgrade, streams, settings)
    : await acceptSpdy(upgrade, streams, settings, signal);
  const onAbort = (): void => session.close();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  session.signal.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true });
  return session;
}

/** The WebSocket half of {@link acceptRemoteCommand}. @throws InvalidInputError after the client was answered */
export function acceptWebSocketRemoteCommand(
  upgrade: UpgradeRequest,
  streams: RemoteCommandStreams,
  settings: SessionSettings,
): ProtocolSession {
  const { webSocket, protocol } = acceptWebSocket(upgrade, WEBSOCKET_REMOTE_COMMAND_PROTOCOLS);
  const connection = new WebSocketChannels(webSocket, { protocol, clock: settings.clock, idleTimeoutMs: settings.idleTimeoutMs });
  const channels = {
    stdin: streams.stdin ? connection.channel(Channel.stdin) : undefined,
    stdout: streams.stdout ? connection.channel(Channel.stdout) : undefined,
    stderr: streams.stderr ? connection.channel(Channel.stderr) : undefined,
    error: connection.channel(Channel.error),
    resize: connection.channel(Channel.resize),
  };
  connection.announce(channels.stdout ?? channels.stderr ?? channels.error);
  return new ProtocolSession(protocol, channels, connection);
}

async function acceptSpdy(
  upgrade: UpgradeRequest,
  streams: RemoteCommandStreams,
  settings: SessionSettings,
  signal: AbortSignal,
): Promise<ProtocolSession> {
  const { clock, log, idleTimeoutMs, streamCreationTimeoutMs } = settings;
  const protocol = switchToSpdy(upgrade, SPDY_REMOTE_COMMAND_PROTOCOLS);
  const expected = new Set(['error']);
  if (streams.stdin) expected.add('stdin');
  if (streams.stdout) expected.add('stdout');
  if (streams.stderr) expected.add('stderr');
  if (streams.tty && hasResizeStream(protocol)) expected.add('resize');

  const arrived = new Map<string, MuxStream>();
  let complete: () => void = () => undefined;
  const allThere = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const connection = new SpdyConnection(upgrade.socket, upgrade.head, {
    role: 'server',
    clock,
    log,
    idleTimeoutMs,
    accept: (headers) => {
      const type = headers.get('streamtype') ?? '';
      if (!expected.has(type) || arrived.has(type)) return undefined;
      return (stream) => {
        arrived.set(type, stream);
        if (arrived.size === expected.size) complete();
      };
    },
  });
  try {
    const stage = 'waiting for the client to create its streams';
    await withDeadline(clock, stage, streamCreationTimeoutMs, AbortSignal.any([signal, connection.signal]), () => allThere);
  } catch (error) {
    void connection.close();
    throw error;
  }
  const error = arrived.get('error');
  if (error === undefined) throw new Error('the error stream is among those that are waited for');
  const channels = {
    stdin: arrived.get('stdin'),
    stdout: arrived.get('stdout'),
    stderr: arrived.get('stderr'),
    resize: arrived.get('resize'),
    error,
  };
  return new ProtocolSession(protocol, channels, connection);
}
