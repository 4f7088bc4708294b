import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TERMINATION_MESSAGE_PATH_ANNOTATION, TERMINATION_MESSAGE_POLICY_ANNOTATION } from '../api/container-labels.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { createTerminationMessages } from './termination-message.ts';
import type { ContainerStatus } from './types.ts';

const signal = new AbortController().signal;
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'termination-message-'));
});
afterEach(() => rm(directory, { recursive: true }));

function container(change: Partial<ContainerStatus> = {}, policy = 'FallbackToLogsOnError'): ContainerStatus {
  return {
    id: 'c',
    metadata: { name: 'main', attempt: 0 },
    state: 'exited',
    createdAt: 0n,
    startedAt: 0n,
    finishedAt: 0n,
    exitCode: 1,
    image: { image: '' },
    imageRef: '',
    imageId: '',
    reason: 'Error',
    message: '',
    labels: {},
    annotations: { [TERMINATION_MESSAGE_PATH_ANNOTATION]: '/dev/termination-log', [TERMINATION_MESSAGE_POLICY_ANNOTATION]: policy },
    mounts: [
      {
        containerPath: '/dev/termination-log',
        hostPath: path.join(directory, 'message'),
        readonly: false,
        selinuxRelabel: false,
        propagation: 'private',
      },
    ],
    logPath: path.join(directory, '0.log'),
    ...change,
  };
}

async function message(status: ContainerStatus, files: { message?: string; log?: string }): Promise<string> {
  if (files.message !== undefined) await writeFile(path.join(directory, 'message'), files.message);
  if (files.log !== undefined) await writeFile(path.join(directory, '0.log'), files.log);
  return createTerminationMessages({ clock: new FakeClock() }).read(status, signal);
}

const LOG = '2026-01-01T00:00:00Z stdout F from the log\n';

test.each([
  ['the file', {}, { message: 'from the file', log: LOG }, 'from the file'],
  ['the log of a failure when the file is empty', {}, { message: '', log: LOG }, 'from the log\n'],
  ['the log of a failure when the file is gone', {}, { log: LOG }, 'from the log\n'],
  ['nothing of a success', { exitCode: 0 }, { message: '', log: LOG }, ''],
  [
    'no log of what could not be started',
    { reason: 'ContainerCannotRun', message: 'no such program' },
    { message: '', log: LOG },
    'no such program',
  ],
  ["the runtime's own message first", { message: 'OOM' }, { message: 'bye' }, 'OOM: bye'],
  ['nothing of a container that runs', { state: 'running' as const }, { message: 'not yet' }, ''],
])('%s', async (_name, change, files, expected) => {
  expect(await message(container(change), files)).toBe(expected);
});

test('where the policy is the file, the log is left alone', async () => {
  expect(await message(container({}, 'File'), { message: '', log: LOG })).toBe('');
});

test('at most the last 4096 bytes of the file and the last 80 lines and 2048 bytes of the log', async () => {
  expect(await message(container(), { message: `${'a'.repeat(5000)}end` })).toBe(`${'a'.repeat(4093)}end`);
  const lines = Array.from({ length: 200 }, (_, index) => `2026-01-01T00:00:00Z stdout F ${index}\n`).join('');
  expect((await message(container(), { message: '', log: lines })).split('\n')).toHaveLength(81);
  const wide = `2026-01-01T00:00:00Z stdout F ${'x'.repeat(5000)}\n`;
  expect(await message(container(), { message: '', log: wide })).toHaveLength(2048);
});

test('what cannot be read is the message', async () => {
  expect(await message(container({ logPath: path.join(directory, 'absent') }), {})).toMatch(
    /^Error on reading termination message from logs: there is no log file/,
  );
  const mounts = container().mounts.map((mount) => ({ ...mount, hostPath: directory }));
  expect(await message(container({ mounts }), {})).toMatch(/^Error on reading termination log .*: EISDIR/);
});
