/** Names on the wire (k8s.io/cri-streaming pkg/streaming/remotecommand and portforward constants.go). */

export const SPDY_UPGRADE = 'SPDY/3.1';
export const PROTOCOL_VERSION_HEADER = 'X-Stream-Protocol-Version';
export const ACCEPTED_PROTOCOL_VERSIONS_HEADER = 'X-Accepted-Stream-Protocol-Versions';

/** Remote command over SPDY, best first. Version 5 exists over WebSocket only. */
export const SPDY_REMOTE_COMMAND_PROTOCOLS = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'] as const;
export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
/** SPDY in the binary messages of a WebSocket. */
export const TUNNEL_PREFIX = `${SPDY_UPGRADE}+`;
export const TUNNELED_PORT_FORWARD_PROTOCOL = `${TUNNEL_PREFIX}${PORT_FORWARD_PROTOCOL}`;

/** WebSocket sub-protocols of remote command; the empty one is a client that names none. */
export const WEBSOCKET_REMOTE_COMMAND_PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
  'v1.channel.k8s.io',
  'base64.channel.k8s.io',
  '',
] as const;
/** WebSocket sub-protocols of port forward with a pair of channels for each port. */
export const WEBSOCKET_PORT_FORWARD_PROTOCOLS = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''] as const;

/** WebSocket channels of remote command; the first three are the file descriptors. */
export const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
/** Version 5: a message of this byte and a channel's ends that channel. */
export const CHANNEL_CLOSE = 255;

/** From version 4 on the error stream carries a v1.Status as JSON, before that plain text. */
export function hasStatusObject(protocol: string): boolean {
  return /^v[45]\./.test(protocol);
}

/** From version 3 on a terminal has a stream for its size. */
export function hasResizeStream(protocol: string): boolean {
  return /^v[345]\./.test(protocol);
}

export function isBase64(protocol: string): boolean {
  return protocol.endsWith('base64.channel.k8s.io');
}
