import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock } from '../../lib/fake-clock.ts';
import { readLogTail } from './read-log-tail.ts';
import { readLogs, type LogOptions } from './read-logs.ts';

const never = new AbortController().signal;
let directory = '';
let file = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'read-logs-'));
  file = path.join(directory, '0.log');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, '0')}.5Z`;
const cri = (second: number, text: string, tag = 'F', stream = 'stdout'): string => `${at(second)} ${stream} ${tag} ${text}\n`;
const json = (second: number, log: string, stream = 'stdout'): string => `${JSON.stringify({ log, stream, time: at(second) })}\n`;

async function read(options: LogOptions = {}, clock = new FakeClock()): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLogs({ path: file, options }, { clock }, never)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test.each([
  ['CRI', cri(1, 'one') + cri(2, 'tw', 'P') + cri(2, 'o') + cri(3, 'three', 'F', 'stderr')],
  ['Docker', json(1, 'one\n') + json(2, 'tw') + json(2, 'o\n') + json(3, 'three\n', 'stderr')],
])("%s's lines are read, the pieces of one joined", async (_name, content) => {
  await writeFile(file, content);
  expect(await read()).toBe('one\ntwo\nthree\n');
  expect(await read({ tailLines: 2 })).toBe('two\nthree\n');
  expect(await read({ stream: 'Stderr' })).toBe('three\n');
  expect(await read({ timestamps: true })).toBe(
    ['2026-01-01T00:00:01.500000000Z one', '2026-01-01T00:00:02.500000000Z two', '2026-01-01T00:00:03.500000000Z three', ''].join('\n'),
  );
});

test('a path may be a chain of links, as Docker keeps its logs elsewhere', async () => {
  const real = path.join(directory, 'engine', 'x-json.log');
  await mkdir(path.dirname(real));
  await writeFile(real, json(1, 'there\n'));
  await symlink(real, file);
  expect(await read()).toBe('there\n');
});

test('no file is told as such', async () => {
  await expect(read()).rejects.toThrow('there is no log file');
});

test.each([
  [0, ''],
  [1, '5\n'],
  [2, '44\n5\n'],
  [3, '3\n44\n5\n'],
  [5, '1\n2\n3\n44\n5\n'],
  [99, '1\n2\n3\n44\n5\n'],
])('the last %d lines', async (tailLines, expected) => {
  await writeFile(file, cri(1, '1') + cri(2, '2') + cri(3, '3') + cri(4, '4', 'P') + cri(4, '4') + cri(5, '5'));
  expect(await read({ tailLines })).toBe(expected);
});

test('a piece at the end of the file counts as a line', async () => {
  await writeFile(file, json(1, 'done\n') + json(2, 'prompt> '));
  expect(await read({ tailLines: 1 })).toBe('prompt> ');
});

test('the end of a huge file is found without reading its beginning', async () => {
  const lines = Array.from({ length: 40_000 }, (_, index) => json(1, `line ${index} ${'x'.repeat(index % 300)}\n`));
  await writeFile(file, lines.join(''));
  const tail = await read({ tailLines: 1500 });
  expect(
    tail
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(line.split(' ')[1])),
  ).toEqual(Array.from({ length: 1500 }, (_, i) => 38_500 + i));
  expect((await read()).split('\n')).toHaveLength(40_001);
});

test('lines longer than a read are whole', async () => {
  const long = 'ż'.repeat(150_000);
  await writeFile(file, cri(1, 'before') + cri(2, long) + cri(3, 'after'));
  expect(await read()).toBe(`before\n${long}\nafter\n`);
  expect(await read({ tailLines: 2 })).toBe(`${long}\nafter\n`);
});

test('since leaves out what is older; the later of the two counts', async () => {
  await writeFile(file, cri(1, 'one') + cri(2, 'two') + cri(3, 'three'));
  const clock = new FakeClock(Date.parse('2026-01-01T00:00:10Z'));
  expect(await read({ sinceTime: '2026-01-01T00:00:02.5Z' }, clock)).toBe('two\nthree\n');
  expect(await read({ sinceSeconds: 7 }, clock)).toBe('three\n');
  expect(await read({ sinceSeconds: 9, sinceTime: '2026-01-01T00:00:03Z' }, clock)).toBe('three\n');
});

test('a limit cuts in the middle of a line and counts timestamps', async () => {
  await writeFile(file, cri(1, 'one') + cri(2, 'two'));
  expect(await read({ limitBytes: 6 })).toBe('one\ntw');
  expect(await read({ limitBytes: 4 })).toBe('one\n');
  expect(await read({ limitBytes: 0 })).toBe('');
  expect(await read({ limitBytes: 10, timestamps: true })).toBe('2026-01-01');
});

test('what is no log line is left out', async () => {
  await writeFile(file, `${'\0'.repeat(10)}\n${cri(1, 'one')}rubbish\n{"log":"cut\n${cri(2, 'two')}`);
  expect(await read()).toBe('one\ntwo\n');
});

test('the tail for a termination message keeps only the last bytes', async () => {
  await writeFile(file, Array.from({ length: 100 }, (_, index) => cri(1, `${index}`)).join(''));
  expect(await readLogTail(file, 3, 1000, { clock: new FakeClock() }, never)).toBe('97\n98\n99\n');
  expect(await readLogTail(file, 80, 7, { clock: new FakeClock() }, never)).toBe('\n98\n99\n');
});

/** Follows the file, answering what comes as text and the means to end it. */
function following(options: LogOptions = {}) {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const client = new AbortController();
  const clock = new FakeClock();
  const logs = readLogs({ path: file, options: { ...options, follow: true }, ended }, { clock }, client.signal);
  /** Reads until so much has come. */
  const until = async (expected: string): Promise<string> => {
    let text = '';
    while (text.length < expected.length) {
      const next = await logs.next();
      if (next.done === true) break;
      text += next.value.toString();
    }
    return text;
  };
  const rest = async (): Promise<string> => {
    let text = '';
    for await (const chunk of logs) text += chunk.toString();
    return text;
  };
  return { until, rest, end, client, clock };
}

test('what is written later is followed until the container is dead and all is read', async () => {
  await writeFile(file, cri(1, 'one'));
  const { until, rest, end } = following();
  expect(await until('one\n')).toBe('one\n');
  const next = until('two\nthree\n');
  await appendFile(file, cri(2, 'two') + cri(3, 'three').slice(0, 10));
  await appendFile(file, cri(3, 'three').slice(10));
  expect(await next).toBe('two\nthree\n');
  await appendFile(file, cri(4, 'last words'));
  end();
  expect(await rest()).toBe('last words\n');
});

test('following a dead container ends at the end of its log', async () => {
  await writeFile(file, cri(1, 'one'));
  const { rest, end } = following({ tailLines: 5 });
  end();
  expect(await rest()).toBe('one\n');
});

test('a rotation loses nothing and repeats nothing', async () => {
  await writeFile(file, json(1, 'one\n'));
  const { until, rest, end } = following();
  expect(await until('one\n')).toBe('one\n');
  await appendFile(file, json(2, 'two\n'));
  await rename(file, `${file}.1`);
  await writeFile(file, json(3, 'three\n'));
  expect(await until('two\nthree\n')).toBe('two\nthree\n');
  await rename(`${file}.1`, `${file}.2`);
  await rename(file, `${file}.1`);
  await writeFile(file, json(4, 'four\n'));
  await rename(`${file}.2`, `${file}.3`);
  await rename(`${file}.1`, `${file}.2`);
  await rename(file, `${file}.1`);
  await writeFile(file, json(5, 'five\n'));
  expect(await until('four\nfive\n')).toBe('four\nfive\n');
  end();
  expect(await rest()).toBe('');
});

test('a file that is truncated in place is read from its beginning', async () => {
  await writeFile(file, cri(1, 'a long first line'));
  const { until, end, rest } = following();
  await until('a long first line\n');
  const next = until('new\n');
  await truncate(file, 0);
  await appendFile(file, cri(2, 'new'));
  expect(await next).toBe('new\n');
  end();
  expect(await rest()).toBe('');
});

test('a reader that goes away ends it, with nothing left behind', async () => {
  await writeFile(file, cri(1, 'one'));
  const { until, rest, client, clock } = following();
  await until('one\n');
  const waiting = rest();
  client.abort();
  await expect(waiting).rejects.toThrow('aborted');
  expect(clock.pendingTimers).toBe(0);
});

test('a log whose directory is removed ends with the container', async () => {
  const own = path.join(directory, 'own');
  await mkdir(own);
  file = path.join(own, '0.log');
  await writeFile(file, cri(1, 'one'));
  const { until, rest, end } = following();
  await until('one\n');
  await rm(own, { recursive: true });
  end();
  expect(await rest()).toBe('');
});

test('a limit ends the following', async () => {
  await writeFile(file, cri(1, 'one'));
  const { rest } = following({ limitBytes: 3 });
  expect(await rest()).toBe('one');
});

test('nothing is read ahead of the consumer', async () => {
  await writeFile(file, Array.from({ length: 20_000 }, (_, index) => cri(1, `line ${index}`)).join(''));
  const logs = readLogs({ path: file, options: {} }, { clock: new FakeClock() }, never);
  const first = await logs.next();
  expect(first.done).toBe(false);
  await truncate(file, 0);
  let rest = 0;
  for await (const chunk of logs) rest += chunk.length;
  expect(rest).toBeLessThan(20); // what is left of the line that the first read has cut
});
