import { expect, test } from 'vitest';
import { interpretState, sandboxState, stepsBetween } from './container-state.ts';
import type { ContainerInspection } from './engine.ts';
import { FakeEngine } from './fake-engine.ts';

function inspection(changes: Partial<ContainerInspection>): ContainerInspection {
  const engine = new FakeEngine();
  engine.put('id', { createdAt: 10n, ...changes });
  const made = engine.containers.get('id');
  if (made === undefined) throw new Error('not made');
  return made;
}

test.each([
  ['created', { status: 'created' }, { state: 'created', reason: '' }],
  ['running', { status: 'running', startedAt: 20n }, { state: 'running', reason: '', startedAt: 20n, finishedAt: 0n }],
  ['paused', { status: 'paused', startedAt: 20n }, { state: 'running' }],
  [
    'ended well',
    { status: 'exited', startedAt: 20n, finishedAt: 30n },
    { state: 'exited', reason: 'Completed', exitCode: 0, finishedAt: 30n },
  ],
  ['ended badly', { status: 'exited', startedAt: 20n, finishedAt: 30n, exitCode: 2 }, { reason: 'Error', exitCode: 2 }],
  ['out of memory', { status: 'exited', finishedAt: 30n, exitCode: 0, oomKilled: true }, { reason: 'OOMKilled', exitCode: 0 }],
  [
    'never able to run',
    { status: 'created', exitCode: 127, error: 'no such file' },
    { state: 'exited', reason: 'ContainerCannotRun', exitCode: 127, message: 'no such file', startedAt: 10n, finishedAt: 10n },
  ],
  ['being removed', { status: 'removing', startedAt: 20n, finishedAt: 30n }, { state: 'exited', reason: 'Completed' }],
] as const)('a container that is %s', (_, changes, expected) => {
  expect(interpretState(inspection(changes))).toMatchObject(expected);
});

test('a start after an end shows as running, without the old end', () => {
  const again = inspection({ status: 'running', startedAt: 40n, finishedAt: 30n, exitCode: 0 });
  expect(interpretState(again)).toMatchObject({ state: 'running', finishedAt: 0n });
});

test('only a running pause container makes a sandbox ready', () => {
  expect(sandboxState(inspection({ status: 'running' }))).toBe('ready');
  for (const status of ['created', 'paused', 'exited', 'dead'] as const) expect(sandboxState(inspection({ status }))).toBe('notready');
});

test('the steps between two looks', () => {
  const created = inspection({});
  const running = inspection({ status: 'running', startedAt: 20n });
  const exited = inspection({ status: 'exited', startedAt: 20n, finishedAt: 30n });
  const failed = inspection({ exitCode: 128 });
  expect(stepsBetween(undefined, created)).toEqual(['created']);
  expect(stepsBetween(created, created)).toEqual([]);
  expect(stepsBetween(created, running)).toEqual(['started']);
  expect(stepsBetween(created, exited)).toEqual(['started', 'stopped']);
  expect(stepsBetween(running, exited)).toEqual(['stopped']);
  expect(stepsBetween(exited, running)).toEqual(['started']);
  expect(stepsBetween(undefined, failed)).toEqual(['created', 'stopped']);
});
