import { IncomingMessage, type IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { isSpdyUpgrade, isTunnelUpgrade, isWebSocketUpgrade, switchToSpdy } from './negotiate.ts';

const SUPPORTED = ['v4.channel.k8s.io', 'channel.k8s.io'];
const SPDY = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };

function request(headers: IncomingHttpHeaders): IncomingMessage {
  return Object.assign(new IncomingMessage(new Socket()), { method: 'POST', url: '/exec/token', headers });
}

function negotiate(headers: IncomingHttpHeaders): { protocol: string; answer: Promise<string> } {
  const [socket, client] = duplexPair();
  const answer = text(client);
  let protocol = '';
  try {
    protocol = switchToSpdy({ request: request(headers), socket, head: Buffer.alloc(0) }, SUPPORTED);
    socket.end();
  } catch (error) {
    protocol = String(error);
  }
  return { protocol, answer };
}

test('the first of the client’s protocols that is supported is chosen, over all its headers', async () => {
  const { protocol, answer } = negotiate({ ...SPDY, 'x-stream-protocol-version': 'v5.channel.k8s.io, v4.channel.k8s.io,channel.k8s.io' });
  expect(protocol).toBe('v4.channel.k8s.io');
  expect((await answer).split('\r\n')).toEqual([
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    'X-Stream-Protocol-Version: v4.channel.k8s.io',
    '',
    '',
  ]);
});

test.each([
  ['no upgrade', {}, 400, 'missing upgrade headers'],
  ['another protocol', { connection: 'Upgrade', upgrade: 'h2c' }, 400, 'missing upgrade headers'],
  ['no sub-protocol header', SPDY, 400, 'X-Stream-Protocol-Version does not exist'],
  ['an empty sub-protocol header', { ...SPDY, 'x-stream-protocol-version': ' , ' }, 400, 'names no protocols'],
  [
    'only unknown sub-protocols',
    { ...SPDY, 'x-stream-protocol-version': 'v9' },
    403,
    'client supports [v9], server accepts [v4.channel.k8s.io channel.k8s.io]',
  ],
])('a request with %s is answered', async (_what, headers, status, words) => {
  const { protocol, answer } = negotiate(headers);
  expect(protocol).toContain('unable to upgrade');
  expect(await answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(await answer).toContain(words);
  if (status === 403) expect(await answer).toContain('X-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io, channel.k8s.io');
});

test('what a client sends cannot add headers to its answer', async () => {
  const { answer } = negotiate({ ...SPDY, 'x-stream-protocol-version': 'a\r\nX-Evil: yes' });
  const [head = ''] = (await answer).split('\r\n\r\n');
  expect(head).not.toContain('X-Evil');
});

test('upgrades are told apart by their headers', () => {
  const webSocket = { connection: 'keep-alive, Upgrade', upgrade: 'WebSocket', 'sec-websocket-protocol': 'a, SPDY/3.1+portforward.k8s.io' };
  expect([isWebSocketUpgrade(request(webSocket)), isTunnelUpgrade(request(webSocket)), isSpdyUpgrade(request(webSocket))]).toEqual([
    true,
    true,
    false,
  ]);
  expect([isWebSocketUpgrade(request(SPDY)), isTunnelUpgrade(request(SPDY)), isSpdyUpgrade(request(SPDY))]).toEqual([false, false, true]);
  expect(isTunnelUpgrade(request({ ...webSocket, 'sec-websocket-protocol': 'v4.channel.k8s.io' }))).toBe(false);
  expect(isWebSocketUpgrade(request({ upgrade: 'websocket' }))).toBe(false);
});
