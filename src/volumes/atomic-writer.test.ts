import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hasContent, writeAtomically, type Payload } from './atomic-writer.ts';
import type { HostFiles } from './host-files.ts';
import { localFiles } from './local-files.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const NOW = Date.UTC(2026, 1, 3, 4, 5, 6);

function payload(files: Readonly<Record<string, string>>, mode = 0o644): Payload {
  return new Map(Object.entries(files).map(([name, text]) => [name, { data: Buffer.from(text), mode }]));
}

function write(directory: string, content: Payload, files: HostFiles = localFiles): Promise<boolean> {
  return writeAtomically(files, directory, content, NOW, async () => undefined);
}

test('files are links through ..data into a directory named by the time', async () => {
  const directory = temporaryDirectory(onTestFinished);
  expect(await write(directory, payload({ a: '1', 'sub/b': '2', 'sub/deep/c': '3' }))).toBe(true);
  expect(readlinkSync(path.join(directory, '..data'))).toMatch(/^\.\.2026_02_03_04_05_06\.[A-Za-z0-9]{6}$/);
  expect(readlinkSync(path.join(directory, 'a'))).toBe('..data/a');
  expect(readlinkSync(path.join(directory, 'sub'))).toBe('..data/sub');
  expect(readFileSync(path.join(directory, 'sub/deep/c'), 'utf8')).toBe('3');
});

test('nothing is written again while the content is the same', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: '1' }));
  const before = readlinkSync(path.join(directory, '..data'));
  expect(await write(directory, payload({ a: '1' }))).toBe(false);
  expect(readlinkSync(path.join(directory, '..data'))).toBe(before);
});

test('a change replaces all files at once and leaves nothing of the old behind', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: '1', gone: 'x', 'dir/gone': 'y', 'dir/kept': 'z' }));
  expect(await write(directory, payload({ a: '2', 'dir/kept': 'z', fresh: 'n' }))).toBe(true);
  expect(
    readdirSync(directory)
      .filter((name) => !name.startsWith('..'))
      .sort(),
  ).toEqual(['a', 'dir', 'fresh']);
  expect(readdirSync(path.join(directory, 'dir'))).toEqual(['kept']);
  expect(readFileSync(path.join(directory, 'a'), 'utf8')).toBe('2');
  expect(readdirSync(directory).filter((name) => name.startsWith('..20'))).toHaveLength(1);
});

test('a file that becomes a directory, and back, is followed', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ x: 'file' }));
  await write(directory, payload({ 'x/y': 'below' }));
  expect(readFileSync(path.join(directory, 'x/y'), 'utf8')).toBe('below');
  await write(directory, payload({ x: 'file again' }));
  expect(readFileSync(path.join(directory, 'x'), 'utf8')).toBe('file again');
});

test('an empty payload removes every file and still counts as written', async () => {
  const directory = temporaryDirectory(onTestFinished);
  expect(await hasContent(localFiles, directory)).toBe(false);
  await write(directory, payload({ a: '1' }));
  await write(directory, payload({}));
  expect(readdirSync(directory).filter((name) => !name.startsWith('..'))).toEqual([]);
  expect(await hasContent(localFiles, directory)).toBe(true);
});

test('modes are as given whatever the umask', async () => {
  const directory = temporaryDirectory(onTestFinished);
  const before = process.umask(0o077);
  try {
    await writeAtomically(
      localFiles,
      directory,
      new Map([
        ['open', { data: Buffer.from('1'), mode: 0o666 }],
        ['closed', { data: Buffer.from('2'), mode: 0o400 }],
      ]),
      NOW,
      async () => undefined,
    );
  } finally {
    process.umask(before);
  }
  expect(statSync(path.join(directory, 'open')).mode & 0o777).toBe(0o666);
  expect(statSync(path.join(directory, 'closed')).mode & 0o777).toBe(0o400);
  expect(statSync(path.join(directory, readlinkSync(path.join(directory, '..data')))).mode & 0o777).toBe(0o755);
});

test('owners are set while the new files are complete but not yet visible', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: 'old' }));
  const seen: string[] = [];
  await writeAtomically(localFiles, directory, payload({ a: 'new' }), NOW, async () => {
    seen.push(readFileSync(path.join(directory, 'a'), 'utf8'));
    const fresh = readdirSync(directory).find((name) => name.startsWith('..20') && name !== readlinkSync(path.join(directory, '..data')));
    seen.push(readFileSync(path.join(directory, fresh ?? '', 'a'), 'utf8'));
  });
  expect(seen).toEqual(['old', 'new']);
});

test('a full disk leaves the old content and nothing of the new', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: 'old', b: 'old' }));
  const full: HostFiles = {
    ...localFiles,
    async writeFile(file, content, mode) {
      if (file.endsWith('/b'))
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      await localFiles.writeFile(file, content, mode);
    },
  };
  const before = readdirSync(directory).sort();
  await expect(write(directory, payload({ a: 'new', b: 'new' }), full)).rejects.toThrow('ENOSPC');
  expect(readdirSync(directory).sort()).toEqual(before);
  expect(readFileSync(path.join(directory, 'a'), 'utf8')).toBe('old');
});

test('what an interrupted write left behind is removed by the next one', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: '1' }));
  mkdirSync(path.join(directory, '..2025_12_31_00_00_00.abcdef'));
  symlinkSync('..2025_12_31_00_00_00.abcdef', path.join(directory, '..data_tmp'));
  await write(directory, payload({ a: '2' }));
  expect(readFileSync(path.join(directory, 'a'), 'utf8')).toBe('2');
  expect(readdirSync(directory).filter((name) => name.startsWith('..') && name !== '..data')).toHaveLength(1);
});

test('a link that users see and that is missing comes back without a rewrite', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ a: '1' }));
  await localFiles.removeFile(path.join(directory, 'a'));
  expect(await write(directory, payload({ a: '1' }))).toBe(false);
  expect(lstatSync(path.join(directory, 'a')).isSymbolicLink()).toBe(true);
});

test.each([
  ['', 'must not be empty'],
  ['/etc/passwd', 'must be relative path'],
  ['a/../b', "must not contain '..'"],
  ['..a', "must not start with '..'"],
  ['x'.repeat(256), 'filenames must be less than or equal to 255'],
  ['x/'.repeat(2049), 'must be less than or equal to 4096'],
])('the path %j is refused', async (name, message) => {
  await expect(write(temporaryDirectory(onTestFinished), payload({ [name]: '1' }))).rejects.toThrow(message);
});

test('dots in the middle of a name are fine', async () => {
  const directory = temporaryDirectory(onTestFinished);
  await write(directory, payload({ 'a..b': '1', './c': '2' }));
  expect(readFileSync(path.join(directory, 'a..b'), 'utf8')).toBe('1');
  expect(readFileSync(path.join(directory, 'c'), 'utf8')).toBe('2');
});
