import { duplexPair, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { joinStreams } from './join-streams.ts';

const never = new AbortController().signal;

/** A line with a joint in its middle: what is written at one end comes out at the other. */
function line(signal = never): { left: Duplex; right: Duplex; joints: Duplex[]; joined: Promise<void> } {
  const [left, a] = duplexPair();
  const [b, right] = duplexPair();
  return { left, right, joints: [a, b], joined: joinStreams(a, b, signal) };
}

test('one side may end while the other still speaks', async () => {
  const { left, right, joints, joined } = line();
  left.end('question');
  expect(await text(right)).toBe('question');
  right.write('ans');
  await settle();
  right.end('wer');
  expect(await text(left)).toBe('answer');
  await joined;
  expect(joints.every((joint) => joint.destroyed)).toBe(true);
});

test('when one side breaks the other gets what came before, and its end', async () => {
  const { left, right, joints, joined } = line();
  left.write('last words');
  await settle();
  joints[0]?.destroy(new Error('reset'));
  expect(await text(right)).toBe('last words');
  right.write('nobody hears this');
  right.end();
  await joined;
  expect(joints[1]?.destroyed).toBe(true);
});

test('the side that is not read holds up its source', async () => {
  const { left, joints } = line();
  let taken = 0;
  for (let index = 0; index < 100; index += 1) left.write(Buffer.alloc(64 * 1024), () => (taken += 64 * 1024));
  for (let turn = 0; turn < 10; turn += 1) await settle();
  expect(taken).toBeLessThan(1024 * 1024);
  expect(joints[0]?.isPaused()).toBe(true);
});

test('an abort breaks off both, also when it came before', async () => {
  const controller = new AbortController();
  const open = line(controller.signal);
  controller.abort();
  await open.joined;
  expect(open.joints.every((joint) => joint.destroyed)).toBe(true);
  const late = line(controller.signal);
  await late.joined;
  expect(late.joints.every((joint) => joint.destroyed)).toBe(true);
});

test('a side that was destroyed before does not keep the other', async () => {
  const [, a] = duplexPair();
  const [b, right] = duplexPair();
  a.destroy();
  await settle();
  right.resume();
  right.end();
  await joinStreams(a, b, never);
  expect(b.destroyed).toBe(true);
});
