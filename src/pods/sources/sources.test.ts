import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../../lib/log.ts';
import { PodManager } from '../pod-manager.ts';
import { testPod } from '../testing/builders.ts';
import { createApiPodFeed } from './api-pods.ts';
import { FileSource } from './file-source.ts';
import { HttpSource } from './http-source.ts';

let clock: FakeClock;
let pods: PodManager;
let complaints: unknown[];
let log: Logger;

beforeEach(() => {
  clock = new FakeClock();
  pods = new PodManager(['api', 'file', 'http']);
  complaints = [];
  log = {
    ...silentLogger,
    error: (_message, fields) => void complaints.push(fields?.['complaint'] ?? fields?.['error'] ?? fields?.['pod']),
  };
});

const manifest = (name: string, image = 'i'): string =>
  JSON.stringify({ kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'c', image }] } });
const names = (): string[] => pods.list().map(({ metadata }) => metadata.name);

describe('pods of the API server', () => {
  test('that are malformed are told about and change nothing else', () => {
    const feed = createApiPodFeed(pods, log);
    feed.replace([testPod(), { metadata: { name: 'bad' } }, 'nonsense']);
    feed.upsert({ ...testPod({}, { uid: 'v' }), spec: { containers: 'none' } });
    feed.remove(undefined);
    expect(names()).toEqual(['p']);
    expect(pods.hasSeen('api')).toBe(true);
    expect(complaints).toHaveLength(4);
  });

  test('do not become static pods by an annotation, and mirror pods stay what they are', () => {
    const feed = createApiPodFeed(pods, log);
    const annotations = { 'kubernetes.io/config.source': 'file', other: 'x' };
    feed.upsert(testPod({}, { annotations }));
    expect(pods.get('u')?.metadata.annotations).toEqual({ other: 'x' });
    feed.upsert(testPod({}, { uid: 'm', annotations: { ...annotations, 'kubernetes.io/config.mirror': 'h' } }));
    expect(pods.mirrors()[0]?.metadata.annotations).toMatchObject(annotations);
  });
});

describe('pods of a directory', () => {
  let directory: string;
  let source: FileSource;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'static-pods-'));
    source = new FileSource({ clock, log, pods, nodeName: 'n', path: directory, checkFrequencyMs: 20_000 });
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  const write = (file: string, text: string): Promise<void> => writeFile(path.join(directory, file), text);

  test('an empty directory counts as heard, one that is not there too', async () => {
    await source.read();
    expect(pods.hasSeen('file')).toBe(true);
    const other = new PodManager(['file']);
    await new FileSource({ clock, log, pods: other, nodeName: 'n', path: path.join(directory, 'none'), checkFrequencyMs: 1 }).read();
    expect(other.hasSeen('file')).toBe(true);
  });

  test('come, change and go with their files; dot files are no manifests', async () => {
    await write('a.yaml', manifest('a'));
    await write('.hidden', manifest('hidden'));
    await source.read();
    expect(names()).toEqual(['a-n']);
    const before = pods.list()[0];
    let told = 0;
    pods.onChange(() => (told += 1));
    await source.read();
    expect(pods.list()[0]).toBe(before);
    expect(told).toBe(0);
    await write('a.yaml', manifest('a', 'other'));
    await source.read();
    expect(pods.list()[0]?.metadata.uid).not.toBe(before?.metadata.uid);
    await rename(path.join(directory, 'a.yaml'), path.join(directory, '.a'));
    await source.read();
    expect(names()).toEqual([]);
  });

  test('a malformed file keeps the pods it had, is told about once, and disturbs no other', async () => {
    await write('a.yaml', manifest('a'));
    await source.read();
    await write('a.yaml', '{ half a man');
    await write('b.yaml', manifest('b'));
    await source.read();
    await source.read();
    expect(names()).toEqual(['a-n', 'b-n']);
    expect(complaints).toHaveLength(1);
  });

  test('stay as they were while the directory cannot be read', async () => {
    await write('a.yaml', manifest('a'));
    await source.read();
    await rm(directory, { recursive: true });
    await symlink(directory, directory); // a link to itself cannot be followed
    await source.read();
    await source.read();
    expect(names()).toEqual(['a-n']);
    expect(complaints).toHaveLength(1);
  });

  test('of two manifests of one name the first is used', async () => {
    await write('a.yaml', manifest('a'));
    await write('b.yaml', manifest('a', 'other'));
    await source.read();
    expect(names()).toEqual(['a-n']);
    expect(complaints).toEqual(['default/a-n']);
  });

  test('are read again regularly until aborted', async () => {
    const stop = new AbortController();
    const running = source.run(stop.signal);
    await until(() => pods.hasSeen('file'));
    await write('a.yaml', manifest('a'));
    await until(async () => {
      await clock.advance(20_000);
      return names().length === 1;
    });
    stop.abort();
    await running;
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('pods of a URL', () => {
  const answers = (...texts: (string | number)[]): typeof fetch => {
    let next = 0;
    return async () => {
      const answer = texts[Math.min(next++, texts.length - 1)] ?? '';
      return typeof answer === 'number' ? new Response('', { status: answer }) : new Response(answer);
    };
  };
  const source = (request: typeof fetch): HttpSource =>
    new HttpSource({ clock, log, pods, nodeName: 'n', url: 'http://localhost/pods', headers: {}, checkFrequencyMs: 20_000, request });
  const { signal } = new AbortController();

  test('are those of the last good answer', async () => {
    const http = source(answers(manifest('a'), 500, 'nonsense', manifest('b')));
    await http.read(signal);
    await http.read(signal);
    await http.read(signal);
    expect(names()).toEqual(['a-n']);
    expect(complaints).toHaveLength(2);
    await http.read(signal);
    expect(names()).toEqual(['b-n']);
  });

  test('an empty answer means that there are none', async () => {
    await source(answers('')).read(signal);
    expect(pods.hasSeen('http')).toBe(true);
  });

  test('a server that does not answer is given up after ten seconds', async () => {
    const reading = source(() => new Promise(() => undefined)).read(signal);
    await clock.advance(10_000);
    await reading;
    expect(complaints[0]).toContain('did not finish within 10 s');
  });
});

/** Waits for the file system, which no clock of ours drives. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) {
    if (await condition()) return;
    await settle();
  }
  throw new Error('it did not come to pass');
}
