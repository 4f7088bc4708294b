import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { isStreamUpgrade } from './streams.ts';

function upgradeOf(url: string): boolean {
  const request = new IncomingMessage(new Socket());
  request.url = url;
  request.headers.upgrade = 'websocket';
  return isStreamUpgrade(request);
}

test('the stream routes may be upgraded', () => {
  expect(upgradeOf('/exec/ns/pod/c?command=id')).toBe(true);
  expect(upgradeOf('/attach/ns/pod/uid/c')).toBe(true);
  expect(upgradeOf('/portForward/ns/pod')).toBe(true);
});

test.each(['/attach/%zz/pod/c', '/exec/ns/pod/%ff', '//', '//[', '/exec/ns/pod', '*'])(
  '%s is no stream, and asking does not throw',
  (url) => {
    expect(upgradeOf(url)).toBe(false);
  },
);

test('a verb in disguise is no stream: what is authorized and what is opened are the same path', () => {
  expect(upgradeOf('/%65xec/ns/pod/c?command=id')).toBe(false);
  expect(upgradeOf('/%65xec/ns/pod/uid/c?command=id')).toBe(false);
});
