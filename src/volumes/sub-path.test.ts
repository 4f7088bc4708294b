import { existsSync, lstatSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync, chmodSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { HostFiles } from './host-files.ts';
import { localFiles } from './local-files.ts';
import { bindSubPath, checkSubPath, makeSubPath, plainSubPath } from './sub-path.ts';
import { FakeMounter } from './testing/fake-mounter.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const signal = new AbortController().signal;

function setup() {
  const root = temporaryDirectory(onTestFinished);
  const volume = path.join(root, 'volume');
  const outside = path.join(root, 'outside');
  mkdirSync(volume);
  mkdirSync(outside);
  const mounter = new FakeMounter();
  const target = path.join(root, 'pod/volume-subpaths/v/c/0');
  const bind = (subPath: string, files: HostFiles = localFiles) => bindSubPath({ files, mounter }, volume, subPath, target, signal);
  return { root, volume, outside, mounter, target, bind };
}

test.each(['/etc', '../x', 'a/../../b', '..'])('the sub-path %j is refused', (subPath) => {
  expect(() => checkSubPath(subPath)).toThrow(/must not/);
});

test.each(['a', 'a/b', 'a..b', '.'])('the sub-path %j is allowed', (subPath) => {
  expect(() => checkSubPath(subPath)).not.toThrow();
});

test('a directory is bound under the pod by its descriptor', async () => {
  const { volume, mounter, target, bind } = setup();
  mkdirSync(path.join(volume, 'a/b'), { recursive: true });
  expect(await bind('a/b')).toBe(target);
  expect(mounter.calls).toEqual([`bind descriptor ${target}`]);
  expect(statSync(target).isDirectory()).toBe(true);
});

test('a file is bound onto a file', async () => {
  const { volume, target, bind } = setup();
  writeFileSync(path.join(volume, 'f'), 'x');
  await bind('f');
  expect(statSync(target).isFile()).toBe(true);
});

test('a symlink that stays inside the volume is followed, as in volumes of config maps', async () => {
  const { volume, bind, target } = setup();
  mkdirSync(path.join(volume, '..2026'));
  writeFileSync(path.join(volume, '..2026/key'), 'x');
  symlinkSync('..2026', path.join(volume, '..data'));
  symlinkSync('..data/key', path.join(volume, 'key'));
  expect(await bind('key')).toBe(target);
});

test('a symlink that leaves the volume is refused, in the last element and on the way', async () => {
  const { volume, outside, mounter, bind } = setup();
  symlinkSync(outside, path.join(volume, 'absolute'));
  symlinkSync('../outside', path.join(volume, 'relative'));
  mkdirSync(path.join(outside, 'sub'));
  for (const subPath of ['absolute', 'relative', 'absolute/sub']) {
    await expect(bind(subPath)).rejects.toThrow('outside of volume path');
    await expect(plainSubPath(localFiles, volume, subPath)).rejects.toThrow('outside of volume path');
  }
  expect(mounter.calls).toEqual([]);
});

test('a directory that is replaced by a symlink after it was checked is noticed', async () => {
  const { volume, outside, mounter, bind } = setup();
  mkdirSync(path.join(volume, 'a'));
  let checked = false;
  const racing: HostFiles = {
    ...localFiles,
    async pin(file) {
      if (file.endsWith('/a') && !checked) {
        checked = true;
        renameSync(path.join(volume, 'a'), path.join(volume, 'old'));
        symlinkSync(outside, path.join(volume, 'a'));
      }
      return localFiles.pin(file);
    },
  };
  await expect(bind('a', racing)).rejects.toThrow('unexpected symlink');
  expect(checked).toBe(true);
  expect(mounter.calls).toEqual([]);
});

test('what is bound already is left alone; something else there is detached first', async () => {
  const { volume, mounter, target, bind } = setup();
  mkdirSync(path.join(volume, 'a'));
  const same: HostFiles = { ...localFiles, lstat: (file) => localFiles.lstat(file === target ? path.join(volume, 'a') : file) };
  expect(await bind('a', same)).toBe(target);
  expect(mounter.calls).toEqual([]);
  mkdirSync(target, { recursive: true });
  mounter.mounts = [{ path: target, fsType: 'ext4' }];
  await bind('a');
  expect(mounter.calls).toEqual([`umount -l ${target}`, `bind descriptor ${target}`]);
});

test('missing directories are made with the mode of the volume', async () => {
  const { volume } = setup();
  chmodSync(volume, 0o2770);
  await makeSubPath(localFiles, volume, 'x/y');
  expect((statSync(path.join(volume, 'x')).mode & 0o7777).toString(8)).toBe('2770');
  expect((statSync(path.join(volume, 'x/y')).mode & 0o7777).toString(8)).toBe('2770');
});

test('no directory is made outside the volume', async () => {
  const { volume, outside } = setup();
  symlinkSync(outside, path.join(volume, 'escape'));
  await expect(makeSubPath(localFiles, volume, 'escape/new')).rejects.toThrow('outside of volume path');
  symlinkSync(path.join(outside, 'dangling'), path.join(volume, 'dangling'));
  await expect(makeSubPath(localFiles, volume, 'dangling')).rejects.toThrow();
  expect(readdirSync(outside)).toEqual([]);
});

test('a symlink that appears where a directory is being made is not followed', async () => {
  const { volume, outside } = setup();
  const racing: HostFiles = {
    ...localFiles,
    async makeDirectory(file, mode) {
      if (file.endsWith('/x')) symlinkSync(outside, path.join(volume, 'x'));
      await localFiles.makeDirectory(file, mode);
    },
  };
  await expect(makeSubPath(racing, volume, 'x/y')).rejects.toThrow();
  expect(existsSync(path.join(outside, 'y'))).toBe(false);
});

test('an existing file is no reason to make anything', async () => {
  const { volume } = setup();
  writeFileSync(path.join(volume, 'f'), 'x');
  await makeSubPath(localFiles, volume, 'f');
  expect(lstatSync(path.join(volume, 'f')).isFile()).toBe(true);
});

test('without mounting the resolved path inside the volume is answered', async () => {
  const { volume } = setup();
  mkdirSync(path.join(volume, 'real'));
  symlinkSync('real', path.join(volume, 'link'));
  expect(await plainSubPath(localFiles, volume, 'link')).toBe(path.join(volume, 'real'));
});
