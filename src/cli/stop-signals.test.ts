import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { silentLogger } from '../lib/log.ts';
import { listenForStop } from './stop-signals.ts';

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

function listen() {
  const process = new FakeProcess();
  // An emitter has the process's on and off; only the overloads of their types differ.
  return { process, stop: listenForStop(process as unknown as Parameters<typeof listenForStop>[0], silentLogger) };
}

test('the first signal asks to stop, the second exits at once', () => {
  const { process, stop } = listen();
  process.emit('SIGTERM', 'SIGTERM');
  expect([stop.signal.aborted, process.exits]).toEqual([true, []]);
  process.emit('SIGINT', 'SIGINT');
  expect(process.exits).toEqual([1]);
  stop[Symbol.dispose]();
});

test.each(['uncaughtException', 'unhandledRejection'])('an %s ends the process with 1', (event) => {
  const { process, stop } = listen();
  process.emit(event, new Error('x'));
  expect(process.exits).toEqual([1]);
  stop[Symbol.dispose]();
});

test('after disposal nothing listens any more', () => {
  const { process, stop } = listen();
  stop[Symbol.dispose]();
  expect(process.eventNames()).toEqual([]);
});
