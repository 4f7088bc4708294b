import { duplexPair, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { MuxStream } from '../mux-stream.ts';
import { SpdyConnection, type SpdyConnectionOptions } from './connection.ts';
import { FrameParser } from './frame-parser.ts';
import { encodeDataHeader, encodeGoAway, encodePing, encodeRstStream, encodeSynStream, type SpdyFrame } from './frames.ts';
import { HeaderDeflater } from './header-block.ts';

const never = new AbortController().signal;

/** A peer that speaks in frames and does not play along by itself. */
class RawPeer {
  readonly transport: Duplex;
  readonly frames: SpdyFrame[] = [];
  readonly deflater = new HeaderDeflater();
  ended = false;
  readonly #parser = new FrameParser();

  constructor(transport: Duplex) {
    this.transport = transport;
    transport.on('data', (chunk: Buffer) => this.frames.push(...this.#parser.push(chunk)));
    transport.on('end', () => (this.ended = true));
    transport.on('error', () => undefined);
  }

  open(id: number, type = 'x'): void {
    this.transport.write(encodeSynStream(id, new Map([['streamtype', type]]), this.deflater));
  }

  data(id: number, bytes: string | Buffer, fin = false): void {
    const data = Buffer.from(bytes);
    this.transport.write(Buffer.concat([encodeDataHeader(id, data.length, fin), data]));
  }
}

function serve(options: Partial<SpdyConnectionOptions> = {}): {
  connection: SpdyConnection;
  peer: RawPeer;
  streams: MuxStream[];
  clock: FakeClock;
  mine: Duplex;
} {
  const [mine, theirs] = duplexPair();
  const clock = new FakeClock();
  const streams: MuxStream[] = [];
  const accept = (): ((stream: MuxStream) => void) => (stream) => void streams.push(stream);
  const connection = new SpdyConnection(mine, Buffer.alloc(0), { role: 'server', clock, log: silentLogger, accept, ...options });
  return { connection, peer: new RawPeer(theirs), streams, clock, mine };
}

function pair(accept: SpdyConnectionOptions['accept']): { client: SpdyConnection; server: SpdyConnection; clock: FakeClock } {
  const [a, b] = duplexPair();
  const clock = new FakeClock();
  const common = { clock, log: silentLogger };
  const server = new SpdyConnection(a, Buffer.alloc(0), { role: 'server', ...common, ...(accept && { accept }) });
  return { client: new SpdyConnection(b, Buffer.alloc(0), { role: 'client', ...common }), server, clock };
}

test('a stream carries data both ways, and each side ends by itself', async () => {
  const { client } = pair(() => async (stream) => {
    const heard = await text(stream);
    stream.end(`heard ${heard}`);
  });
  const stream = await client.openStream(new Map([['streamtype', 'data']]), never);
  stream.write('hel');
  stream.end('lo');
  expect(await text(stream)).toBe('heard hello');
});

test('bytes that were read before the connection took over are its first', async () => {
  const [mine, theirs] = duplexPair();
  const peer = new RawPeer(theirs);
  new SpdyConnection(mine, encodePing(3), { role: 'server', clock: new FakeClock(), log: silentLogger });
  await settle();
  expect(peer.frames).toEqual([{ type: 'ping', id: 3 }]);
});

test('a stream is answered before its handler can send anything', async () => {
  const { peer } = serve({ accept: () => (stream) => void stream.write('at once') });
  peer.open(1);
  await settle();
  expect(peer.frames.map((frame) => frame.type)).toEqual(['synReply', 'data']);
});

test('a stream that nobody takes, of the wrong side or of an old id is refused, and the connection goes on', async () => {
  const { peer, streams } = serve({
    accept: (headers) => (headers.get('streamtype') === 'good' ? (stream) => void streams.push(stream) : undefined),
  });
  peer.open(1, 'bad');
  peer.open(2, 'good');
  peer.open(5, 'good');
  peer.open(3, 'good');
  await settle();
  expect(peer.frames.map((frame) => [frame.type, 'streamId' in frame && frame.streamId])).toEqual([
    ['rstStream', 1],
    ['rstStream', 2],
    ['synReply', 5],
    ['rstStream', 3],
  ]);
});

test('a PING is answered with its number, an answer to our own is not', async () => {
  const { peer } = serve();
  peer.transport.write(encodePing(41));
  peer.transport.write(encodePing(2));
  await settle();
  expect(peer.frames).toEqual([{ type: 'ping', id: 41 }]);
});

test('destroying a stream resets it, unless both sides had ended', async () => {
  const { peer, streams } = serve();
  peer.open(1);
  peer.open(3);
  peer.data(3, '', true);
  await settle();
  streams[0]?.destroy();
  streams[1]?.end();
  streams[1]?.resume();
  await settle();
  expect(streams[1]?.destroyed).toBe(true);
  expect(peer.frames.filter((frame) => frame.type === 'rstStream')).toEqual([{ type: 'rstStream', streamId: 1, status: 5 }]);
});

test('a reset of the peer destroys the stream without an error, and fails its writes', async () => {
  const { peer, streams } = serve();
  peer.open(1);
  await settle();
  const [stream] = streams;
  const onError = vi.fn();
  stream?.on('error', onError);
  peer.transport.write(encodeRstStream(1, 5));
  await settle();
  expect(stream?.destroyed).toBe(true);
  expect(onError).not.toHaveBeenCalled();
});

test('as a client, what arrived before a reset can still be read', async () => {
  const [mine, theirs] = duplexPair();
  const peer = new RawPeer(theirs);
  const client = new SpdyConnection(mine, Buffer.alloc(0), { role: 'client', clock: new FakeClock(), log: silentLogger });
  const opening = client.openStream(new Map(), never);
  peer.transport.write(Buffer.from('80030002000000' + '13' + '00000001' + '7820e3c6a7c2' + '000400fbff00000000', 'hex'));
  const stream = await opening;
  peer.data(1, 'last words');
  peer.transport.write(encodeRstStream(1, 5));
  peer.transport.end(encodeGoAway(0, 0));
  await settle();
  expect(await text(stream)).toBe('last words');
});

test('opening a stream fails when the peer refuses it, does not answer, or is gone', async () => {
  const refusing = pair(() => undefined);
  await expect(refusing.client.openStream(new Map(), never)).rejects.toThrow('refused');

  const [mine, theirs] = duplexPair();
  const clock = new FakeClock();
  const mute = new SpdyConnection(mine, Buffer.alloc(0), { role: 'client', clock, log: silentLogger });
  const late = expect(mute.openStream(new Map(), never)).rejects.toThrow('30 s');
  await clock.advance(30_000);
  await late;
  const gone = expect(mute.openStream(new Map(), never)).rejects.toThrow('closed the connection');
  theirs.resume();
  theirs.end();
  await settle();
  await gone;
});

test('unread data stops the transport at 4 MiB, and reading it lets the rest in', async () => {
  const { peer, streams } = serve();
  peer.open(1);
  peer.open(3);
  const piece = Buffer.alloc(64 * 1024, 7);
  let taken = 0;
  for (let index = 0; index < 320; index += 1) {
    peer.transport.write(Buffer.concat([encodeDataHeader(1, piece.length, false), piece]), () => (taken += piece.length));
  }
  await settle();
  await settle();
  expect(taken).toBeGreaterThan(3 * 1024 * 1024);
  expect(taken).toBeLessThan(6 * 1024 * 1024);
  let read = 0;
  streams[0]?.on('data', (chunk: Buffer) => (read += chunk.length));
  while (read < 320 * piece.length) await settle();
  expect(read).toBe(320 * piece.length);
});

test('tiny frames cost what they weigh in memory, not only their bytes', async () => {
  const { peer, mine } = serve();
  peer.open(1);
  const frame = Buffer.concat([encodeDataHeader(1, 1, false), Buffer.of(1)]);
  const many = Buffer.concat(Array.from({ length: 7000 }, () => frame));
  for (let index = 0; index < 10; index += 1) peer.transport.write(many);
  await settle();
  await settle();
  expect(mine.isPaused()).toBe(true);
});

test('while a peer is not read it is pinged, so that a vanished one shows', async () => {
  const { peer, clock } = serve();
  peer.open(1);
  peer.data(1, Buffer.alloc(5 * 1024 * 1024));
  await settle();
  await clock.advance(11_000);
  expect(peer.frames.filter((frame) => frame.type === 'ping')).toHaveLength(2);
});

test('a peer that sends without reading our answers is not read either', async () => {
  const { peer, mine } = serve();
  peer.transport.pause();
  const pings = Buffer.concat(Array.from({ length: 20_000 }, () => encodePing(1)));
  for (let index = 0; index < 40; index += 1) peer.transport.write(pings);
  for (let turn = 0; turn < 20; turn += 1) await settle();
  expect(mine.writableLength).toBeLessThan(2 * 1024 * 1024);
  expect(mine.isPaused()).toBe(true);
});

test('streams take turns, and data waits in its stream while the peer does not read', async () => {
  const { peer, streams } = serve();
  peer.open(1);
  peer.open(3);
  await settle();
  peer.frames.length = 0;
  peer.transport.pause();
  let written = 0;
  for (let index = 0; index < 100; index += 1) streams[0]?.write(Buffer.alloc(100_000), () => (written += 100_000));
  streams[1]?.write('me too');
  await settle();
  expect(written).toBeLessThan(1024 * 1024);
  peer.transport.resume();
  while (written < 10_000_000) await settle();
  const second = peer.frames.findIndex((frame) => frame.type === 'data' && frame.streamId === 3);
  const before = peer.frames.slice(0, second).reduce((sum, frame) => sum + (frame.type === 'data' ? frame.data.length : 0), 0);
  expect(second).toBeGreaterThanOrEqual(0);
  expect(before).toBeLessThan(300_000);
});

test('a protocol error is answered with GOAWAY and ends the connection', async () => {
  const { connection, peer, streams } = serve();
  peer.open(1);
  peer.transport.write(Buffer.from('8002000600000004' + '00000001', 'hex'));
  await settle();
  expect(connection.signal.aborted).toBe(true);
  expect(streams[0]?.destroyed).toBe(true);
  expect(peer.frames.at(-1)).toEqual({ type: 'goAway', lastGoodStreamId: 1, status: 1 });
  expect(peer.ended).toBe(true);
});

test('closing resets what is open, says goodbye behind all data, and reads on until the peer closes too', async () => {
  const { connection, peer, streams } = serve();
  peer.open(1);
  await settle();
  streams[0]?.end('the end');
  const closed = vi.fn();
  void connection.close().then(closed);
  peer.data(1, Buffer.alloc(100_000));
  await settle();
  expect(peer.frames.map((frame) => frame.type)).toEqual(['synReply', 'data', 'data', 'rstStream', 'goAway']);
  expect(closed).not.toHaveBeenCalled();
  peer.transport.end();
  await settle();
  expect(closed).toHaveBeenCalled();
});

test('a peer that never closes its side is cut off after 10 s', async () => {
  const { connection, clock, mine } = serve();
  void connection.close();
  await clock.advance(9_000);
  expect(mine.destroyed).toBe(false);
  await clock.advance(1_000);
  expect(mine.destroyed).toBe(true);
});

test('a connection on which nothing happens ends after the idle limit, and each frame starts it anew', async () => {
  const { connection, peer, clock } = serve({ idleTimeoutMs: 1000 });
  await clock.advance(900);
  peer.transport.write(encodePing(1));
  await clock.advance(900);
  expect(connection.signal.aborted).toBe(false);
  await clock.advance(200);
  expect(connection.signal.aborted).toBe(true);
});

test('the signal is aborted once and no timer stays when the peer is gone', async () => {
  const { connection, mine, clock } = serve({ idleTimeoutMs: 1000 });
  const onAbort = vi.fn();
  connection.signal.addEventListener('abort', onAbort);
  mine.destroy();
  await settle();
  await connection.close();
  expect(onAbort).toHaveBeenCalledTimes(1);
  expect(clock.pendingTimers).toBe(0);
});

test('no sequence of frames ends the process, and closing always ends the connection', async () => {
  const id = fc.integer({ min: 0, max: 9 });
  const action = fc.oneof(
    fc.record({ do: fc.constant('open'), id, bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('data'), id: fc.integer({ min: 1, max: 9 }), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ do: fc.constant('fin'), id: fc.integer({ min: 1, max: 9 }), bytes: fc.uint8Array({ maxLength: 5 }) }),
    fc.record({ do: fc.constant('reset'), id, bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('goAway'), id, bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('write'), id: fc.nat(5), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({ do: fc.constant('end'), id: fc.nat(5), bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('destroy'), id: fc.nat(5), bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('read'), id: fc.nat(5), bytes: fc.constant(new Uint8Array()) }),
    fc.record({ do: fc.constant('raw'), id, bytes: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ do: fc.constant('turn'), id, bytes: fc.constant(new Uint8Array()) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
      const { connection, peer, streams, clock, mine } = serve();
      for (const step of actions) {
        const stream = streams[step.id];
        if (step.do === 'open') peer.open(step.id);
        else if (step.do === 'data') peer.data(step.id, Buffer.from(step.bytes));
        else if (step.do === 'fin') peer.data(step.id, Buffer.from(step.bytes), true);
        else if (step.do === 'reset') peer.transport.write(encodeRstStream(step.id, 5));
        else if (step.do === 'goAway') peer.transport.write(encodeGoAway(step.id, 0));
        else if (step.do === 'raw') peer.transport.write(Buffer.from(step.bytes));
        else if (step.do === 'write') stream?.write(Buffer.from(step.bytes));
        else if (step.do === 'end') stream?.end();
        else if (step.do === 'destroy') stream?.destroy();
        else if (step.do === 'read') stream?.resume();
        else await settle();
      }
      void connection.close();
      await clock.advance(20_000);
      expect(mine.destroyed).toBe(true);
      expect(streams.every((stream) => stream.destroyed || stream.writableEnded || stream.readableEnded || connection.signal.aborted)).toBe(
        true,
      );
      expect(clock.pendingTimers).toBe(0);
    }),
    { numRuns: 150 },
  );
});
