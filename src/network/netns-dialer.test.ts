import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { createNetnsDialer, type NetnsDialer } from './netns-dialer.ts';
import type { HelperProcess } from './netns-helper-process.ts';

const never = new AbortController().signal;

/** A helper that answers when the test says so. */
class FakeHelper implements HelperProcess {
  readonly asked: { id: number; port: number }[] = [];
  killed = false;
  #message: (message: unknown, handle: unknown) => void = () => undefined;
  #end: (error: Error) => void = () => undefined;

  send(message: { id: number; port: number }): void {
    this.asked.push(message);
  }
  onMessage(listener: (message: unknown, handle: unknown) => void): void {
    this.#message = listener;
  }
  onEnd(listener: (error: Error) => void): void {
    this.#end = listener;
  }
  kill(): void {
    this.killed = true;
  }
  answer(message: unknown, handle?: unknown): void {
    this.#message(message, handle);
  }
  die(error: Error): void {
    this.#end(error);
  }
}

let directory: string;
let clock: FakeClock;
let helpers: FakeHelper[];
let dialer: NetnsDialer;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'netns-'));
  clock = new FakeClock();
  helpers = [];
  dialer = createNetnsDialer({
    helperCommand: ['helper'],
    clock,
    log: silentLogger,
    startHelper: () => {
      const helper = new FakeHelper();
      helpers.push(helper);
      return helper;
    },
  });
});
afterEach(() => {
  dialer.close();
  rmSync(directory, { recursive: true });
});

/** A file stands for a namespace: what counts is that it is there and which one it is. */
function namespace(name: string): { netnsPath: string } {
  const netnsPath = path.join(directory, name);
  writeFileSync(netnsPath, '');
  return { netnsPath };
}

async function asked(index = 0): Promise<FakeHelper> {
  for (;;) {
    const helper = helpers[index];
    if (helper !== undefined && helper.asked.length > 0) return helper;
    await settle(); // a look at the file system comes before
  }
}

test('dials in one namespace share a helper, and each gets the socket with its number', async () => {
  const pod = namespace('pod');
  const [first, second] = [dialer.dial(pod, 80, never), dialer.dial(pod, 443, never)];
  const helper = await asked();
  while (helper.asked.length < 2) await settle();
  expect(helpers).toHaveLength(1);
  const sockets = [new Socket(), new Socket()];
  const idOf = (port: number): number => helper.asked.find((dial) => dial.port === port)!.id;
  helper.answer({ id: idOf(443) }, sockets[1]);
  helper.answer({ id: idOf(80) }, sockets[0]);
  expect([await first, await second]).toEqual(sockets);
  expect((await first).allowHalfOpen).toBe(true);
});

test('what the helper could not reach is unavailable', async () => {
  const dial = dialer.dial(namespace('pod'), 80, never);
  const helper = await asked();
  helper.answer({ id: helper.asked[0]!.id, error: 'connect ECONNREFUSED 127.0.0.1:80' });
  await expect(dial).rejects.toMatchObject({ code: 'Unavailable', message: expect.stringContaining('ECONNREFUSED') as string });
});

test('a helper that ends fails its dials with the reason, and the next dial starts another', async () => {
  const pod = namespace('pod');
  const dial = dialer.dial(pod, 80, never);
  (await asked()).die(new Error('nsenter: permission denied'));
  await expect(dial).rejects.toMatchObject({ cause: { message: 'nsenter: permission denied' } });
  const next = dialer.dial(pod, 80, never);
  const helper = await asked(1);
  helper.answer({ id: helper.asked[0]!.id }, new Socket());
  await next;
});

test('a dial that is given up closes the socket that comes for it after all', async () => {
  const giveUp = new AbortController();
  const dial = dialer.dial(namespace('pod'), 80, giveUp.signal);
  const helper = await asked();
  giveUp.abort(new Error('the client left'));
  await expect(dial).rejects.toThrow('the client left');
  const late = new Socket();
  helper.answer({ id: helper.asked[0]!.id }, late);
  expect(late.destroyed).toBe(true);
});

test('a helper that does not answer is given up after 10 s', async () => {
  const dial = dialer.dial(namespace('pod'), 80, never);
  const outcome = expect(dial).rejects.toThrow("dialing port 80 in the pod's network namespace did not finish within 10 s");
  await asked();
  await clock.advance(10_000);
  await outcome;
});

test('the idle time runs only while no dial is pending', async () => {
  const pod = namespace('pod');
  const first = dialer.dial(pod, 80, never);
  const helper = await asked();
  await clock.advance(9_000);
  helper.answer({ id: helper.asked[0]!.id }, new Socket());
  await first;
  await clock.advance(59_000);
  expect(helper.killed).toBe(false);
  await clock.advance(1_000);
  expect(helper.killed).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

test('a name that has come to mean another namespace gets another helper', async () => {
  const pod = namespace('pod');
  void dialer.dial(pod, 80, never).catch(() => undefined);
  await asked();
  writeFileSync(path.join(directory, 'other'), '');
  rmSync(pod.netnsPath);
  writeFileSync(path.join(directory, 'third'), '');
  namespace('pod');
  void dialer.dial(pod, 80, never).catch(() => undefined);
  await asked(1);
  expect([helpers.length, helpers[0]?.killed]).toEqual([2, true]);
});

test('a namespace that is gone is not found, and its helper ends', async () => {
  const pod = namespace('pod');
  void dialer.dial(pod, 80, never).catch(() => undefined);
  const helper = await asked();
  rmSync(pod.netnsPath);
  await expect(dialer.dial(pod, 80, never)).rejects.toMatchObject({ code: 'NotFound' });
  expect(helper.killed).toBe(true);
});

test('at 32 helpers the one that was idle longest makes room, and none that is busy does', async () => {
  const busy = dialer.dial(namespace('busy'), 80, never);
  busy.catch(() => undefined);
  await asked();
  for (let index = 1; index <= 32; index += 1) {
    const dial = dialer.dial(namespace(`pod-${index}`), 80, never);
    const helper = await asked(index);
    helper.answer({ id: helper.asked[0]!.id }, new Socket());
    await dial;
  }
  expect(helpers.map((helper, index) => (helper.killed ? index : -1)).filter((index) => index >= 0)).toEqual([1]);
});

test('releasing a sandbox and closing the dialer end the helpers', async () => {
  const [one, two] = [namespace('one'), namespace('two')];
  for (const [index, pod] of [one, two].entries()) {
    void dialer.dial(pod, 80, never).catch(() => undefined);
    await asked(index);
  }
  dialer.release(one);
  expect(helpers.map((helper) => helper.killed)).toEqual([true, false]);
  dialer.release({ hostNetwork: true });
  dialer.close();
  expect(helpers.map((helper) => helper.killed)).toEqual([true, true]);
});
