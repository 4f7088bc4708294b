import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { HostFiles } from './host-files.ts';
import { localFiles } from './local-files.ts';
import { tearDown } from './tear-down.ts';
import { FakeMounter } from './testing/fake-mounter.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const signal = new AbortController().signal;

function pod() {
  const root = temporaryDirectory(onTestFinished);
  const directory = path.join(root, 'pods/u1');
  mkdirSync(path.join(directory, 'volumes/kubernetes.io~empty-dir/v/deep'), { recursive: true });
  writeFileSync(path.join(directory, 'volumes/kubernetes.io~empty-dir/v/deep/file'), 'x');
  return { root, directory, mounter: new FakeMounter() };
}

test('everything is unmounted, newest first, in one go, then removed', async () => {
  const { root, directory, mounter } = pod();
  const volume = path.join(directory, 'volumes/kubernetes.io~empty-dir/v');
  mounter.mounts = [
    { path: '/', fsType: 'ext4' },
    { path: volume, fsType: 'tmpfs' },
    { path: path.join(root, 'pods/u10/volumes/x'), fsType: 'tmpfs' },
    { path: path.join(volume, 'deep'), fsType: 'tmpfs' },
    { path: volume, fsType: 'tmpfs' },
  ];
  await tearDown({ files: localFiles, mounter }, directory, signal);
  expect(mounter.calls).toEqual([`umount ${volume} ${volume}/deep ${volume}`]);
  expect(mounter.mounts.map((mount) => mount.path)).toEqual(['/', path.join(root, 'pods/u10/volumes/x')]);
  expect(existsSync(directory)).toBe(false);
});

test('what stays mounted is named, and nothing is deleted', async () => {
  const { directory, mounter } = pod();
  const volume = path.join(directory, 'volumes/kubernetes.io~empty-dir/v');
  mounter.mounts = [{ path: volume, fsType: 'ext4' }];
  mounter.busy.add(volume);
  await expect(tearDown({ files: localFiles, mounter }, directory, signal)).rejects.toThrow(`do not go away: ${volume}`);
  expect(existsSync(path.join(volume, 'deep/file'))).toBe(true);
});

test('another file system that mountinfo does not show is not entered', async () => {
  const { directory, mounter } = pod();
  const deep = path.join(directory, 'volumes/kubernetes.io~empty-dir/v/deep');
  const files: HostFiles = {
    ...localFiles,
    async lstat(file) {
      const stat = await localFiles.lstat(file);
      return stat !== undefined && file === deep ? { ...stat, device: stat.device + 1 } : stat;
    },
  };
  await expect(tearDown({ files, mounter }, directory, signal)).rejects.toThrow(`cannot delete directory ${deep}: it is a mount point`);
  expect(existsSync(path.join(deep, 'file'))).toBe(true);
});

test('symlinks are removed, not followed', async () => {
  const { root, directory, mounter } = pod();
  writeFileSync(path.join(root, 'precious'), 'x');
  mkdirSync(path.join(root, 'directory'));
  writeFileSync(path.join(root, 'directory/precious'), 'x');
  symlinkSync(path.join(root, 'precious'), path.join(directory, 'volumes/link'));
  symlinkSync(path.join(root, 'directory'), path.join(directory, 'volumes/directory'));
  await tearDown({ files: localFiles, mounter }, directory, signal);
  expect(existsSync(path.join(root, 'precious'))).toBe(true);
  expect(existsSync(path.join(root, 'directory/precious'))).toBe(true);
});

test('mounts are found although the pods directory is reached through a symlink', async () => {
  const { root, directory, mounter } = pod();
  symlinkSync(path.join(root, 'pods'), path.join(root, 'alias'));
  mounter.mounts = [{ path: path.join(directory, 'volumes'), fsType: 'tmpfs' }];
  await tearDown({ files: localFiles, mounter }, path.join(root, 'alias/u1'), signal);
  expect(mounter.calls).toEqual([`umount ${directory}/volumes`]);
  expect(existsSync(directory)).toBe(false);
});

test('a directory that is gone already is success', async () => {
  const { directory, mounter } = pod();
  await tearDown({ files: localFiles, mounter }, directory, signal);
  await tearDown({ files: localFiles, mounter }, directory, signal);
  expect(mounter.calls).toEqual([]);
});
