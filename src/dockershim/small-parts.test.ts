import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errorCode } from '../lib/errors.ts';
import { conflictingContainer, engineError, isRefusal } from './engine-errors.ts';
import { readLines } from './lines.ts';
import { engineLogFile, linkLog, unlinkLog } from './log-link.ts';
import { parseCgroups } from './outside-resources.ts';
import type { ContainerRecord } from './records.ts';
import { resolvConf, writeResolvConf } from './resolv-conf.ts';
import { engineLogMaxSize } from './settings.ts';
import { parseTimestamp } from './timestamps.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'dockershim-'));
});
afterEach(() => rm(directory, { recursive: true }));

test.each([
  ['2026-11-23T13:17:47.698139097Z', 1795439867698139097n],
  ['1970-01-01T00:00:01Z', 1_000_000_000n],
  ['2026-01-01T02:00:00.5+02:00', BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n + 500_000_000n],
  ['0001-01-01T00:00:00Z', 0n],
  ['', 0n],
  ['yesterday', 0n],
])('the time %s', (text, nanoseconds) => {
  expect(parseTimestamp(text)).toBe(nanoseconds);
});

test('lines are whole however they are cut, and empty ones are none', async () => {
  async function* chunks(): AsyncGenerator<Buffer> {
    yield* ['{"a', '":1}\r\n\n{"b":', '"ä', '"}\n{"c":3}'].map((text) => Buffer.from(text));
  }
  const lines: string[] = [];
  for await (const line of readLines(chunks(), 100)) lines.push(line);
  expect(lines).toEqual(['{"a":1}', '{"b":"ä"}', '{"c":3}']);
});

test('a line that never ends is given up', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(60);
  }
  await expect(readLines(endless(), 100).next()).rejects.toThrow('longer than 100 bytes');
});

test('resolv.conf says what is given, and nothing when there is nothing to say', () => {
  expect(resolvConf({ servers: ['1.1.1.1', '::1'], searches: ['a', 'b'], options: ['ndots:5'] })).toBe(
    'nameserver 1.1.1.1\nnameserver ::1\nsearch a b\noptions ndots:5\n',
  );
  expect(resolvConf({ servers: [], searches: [], options: [] })).toBeUndefined();
});

test('resolv.conf is changed in place, so that mounts of it see the change', async () => {
  const file = path.join(directory, 'resolv.conf');
  await writeFile(file, 'nameserver 10.0.0.1\n# a long comment of the engine\n');
  const mounted = path.join(directory, 'mounted');
  await symlink(file, mounted);
  await writeResolvConf(file, { servers: ['2.2.2.2'], searches: [], options: [] });
  expect(await readFile(mounted, 'utf8')).toBe('nameserver 2.2.2.2\n');
  const missing = writeResolvConf(path.join(directory, 'none'), { servers: ['2.2.2.2'], searches: [], options: [] });
  expect(await missing.catch(errorCode)).toBe('FailedPrecondition');
});

test('a log’s link is made with its directory, replaced when wrong, and removed only by its own container', async () => {
  const record: ContainerRecord = {
    kind: 'container',
    sandboxId: 's',
    metadata: { name: 'c', attempt: 0 },
    labels: {},
    annotations: {},
    userSpecifiedImage: '',
    logPath: path.join(directory, 'pod/c/0.log'),
  };
  const target = engineLogFile('/var/lib/docker', 'abc');
  expect(target).toBe('/var/lib/docker/containers/abc/abc-json.log');
  await linkLog(record, target);
  expect(await readlink(record.logPath)).toBe(target);
  await linkLog(record, engineLogFile('/elsewhere', 'abc'));
  expect(await readlink(record.logPath)).toBe('/elsewhere/containers/abc/abc-json.log');
  await unlinkLog(record, 'another');
  expect(await readlink(record.logPath)).toContain('abc');
  await unlinkLog(record, 'abc');
  await unlinkLog(record, 'abc');
  await expect(readlink(record.logPath)).rejects.toThrow('ENOENT');
});

test('a log that is no link of ours stays', async () => {
  const logPath = path.join(directory, 'real.log');
  await mkdir(path.dirname(logPath), { recursive: true });
  await writeFile(logPath, 'somebody’s');
  const record = { kind: 'container', sandboxId: 's', metadata: { name: 'c', attempt: 0 }, labels: {}, annotations: {} } as const;
  await unlinkLog({ ...record, userSpecifiedImage: '', logPath }, 'abc');
  expect(await readFile(logPath, 'utf8')).toBe('somebody’s');
});

test('cgroups by controller, those of version 2 under no name', () => {
  const text = '12:hugetlb:/kube/pod/a\n4:cpu,cpuacct:/kube/pod/b\n1:name=systemd:/x:y\n0::/unified\n';
  expect(Object.fromEntries(parseCgroups(text))).toEqual({
    hugetlb: '/kube/pod/a',
    cpu: '/kube/pod/b',
    cpuacct: '/kube/pod/b',
    'name=systemd': '/x:y',
    '': '/unified',
  });
});

test('the engine rotates a little before the kubelet’s limit', () => {
  expect(engineLogMaxSize(10 * 1024 * 1024)).toBe(10 * 1024 * 1024 - 128 * 1024);
  expect(engineLogMaxSize(100_000)).toBe(50_000);
});

function httpError(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${String(statusCode)}) server error - ${message} `), { statusCode, json: { message } });
}

test.each([
  [404, 'No such image: x', 'NotFound'],
  [400, 'bad', 'InvalidArgument'],
  [409, 'Conflict. The container name "/x" is already in use by container "0a1b". You have to remove', 'AlreadyExists'],
  [409, 'container is not running', 'FailedPrecondition'],
  [503, 'busy', 'Unavailable'],
  [500, 'OCI runtime create failed', 'Internal'],
])('HTTP %i "%s" is %s, with the engine’s words once', (status, message, code) => {
  const error = engineError('do it', 'unix:///x', httpError(status, message));
  expect(errorCode(error)).toBe(code);
  expect(error.message).toBe(`failed to do it: ${message}`);
  expect(error.cause).toBeUndefined();
});

test('a failed stream has its message in the library’s words only', () => {
  const error = Object.assign(new Error('(HTTP code 404) unexpected - pull access denied for x '), { statusCode: 404, json: null });
  expect(engineError('pull image x', 'unix:///x', error).message).toBe('failed to pull image x: pull access denied for x');
});

test('an engine that cannot be reached is Unavailable, one that may not be used PermissionDenied', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED /x'), { code: 'ECONNREFUSED' });
  const forbidden = Object.assign(new Error('connect EACCES /x'), { code: 'EACCES' });
  expect(errorCode(engineError('list', 'unix:///x', refused))).toBe('Unavailable');
  expect(errorCode(engineError('list', 'unix:///x', forbidden))).toBe('PermissionDenied');
  expect(isRefusal(engineError('list', 'unix:///x', refused))).toBe(false);
  expect(isRefusal(engineError('list', 'unix:///x', httpError(500, 'no')))).toBe(true);
});

test('the holder of a name is found in the engine’s words', () => {
  const words = 'failed to create container x: Conflict. The container name "/x" is already in use by container "0a1b2c". You have';
  expect(conflictingContainer(new Error(words))).toBe('0a1b2c');
  expect(conflictingContainer(new Error('something else'))).toBeUndefined();
});
