import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { FileStat, HostFiles } from './host-files.ts';
import { localFiles } from './local-files.ts';
import { changeOwnership, type OwnershipChange } from './ownership.ts';
import { temporaryDirectory } from './testing/temporary-directory.ts';

const FS_GROUP = 4321;

/** Owners are remembered, not set: that takes root. */
function ownedFiles() {
  const groups = new Map<string, number>();
  const order: string[] = [];
  const withGroup = (file: string, stat: FileStat | undefined): FileStat | undefined =>
    stat === undefined ? undefined : { ...stat, gid: groups.get(file) ?? stat.gid };
  const files: HostFiles = {
    ...localFiles,
    lstat: async (file) => withGroup(file, await localFiles.lstat(file)),
    async chown(file, uid, gid) {
      expect(uid).toBe(-1);
      groups.set(file, gid);
      order.push(path.basename(file));
    },
  };
  return { files, groups, order };
}

function volume(): string {
  const root = path.join(temporaryDirectory(onTestFinished), 'volume');
  mkdirSync(path.join(root, 'sub'), { recursive: true });
  writeFileSync(path.join(root, 'sub/file'), 'x');
  chmodSync(path.join(root, 'sub/file'), 0o600);
  symlinkSync('sub/file', path.join(root, 'link'));
  chmodSync(root, 0o755);
  return root;
}

async function change(files: HostFiles, root: string, options: Partial<OwnershipChange> = {}): Promise<unknown[]> {
  const refused: unknown[] = [];
  const wanted = { fsGroup: FS_GROUP, readOnly: false, ...options };
  await changeOwnership(files, root, wanted, (error) => refused.push(error), new AbortController().signal);
  return refused;
}

const modeOf = (file: string): string => (statSync(file).mode & 0o7777).toString(8);

test('the group gets everything, may read and write it, and inherits what is made in directories', async () => {
  const { files, groups, order } = ownedFiles();
  const root = volume();
  await change(files, root);
  expect([...groups.values()]).toEqual([FS_GROUP, FS_GROUP, FS_GROUP, FS_GROUP]);
  expect(modeOf(root)).toBe('2775');
  expect(modeOf(path.join(root, 'sub/file'))).toBe('660');
  expect(order.at(-1)).toBe('volume');
});

test('in a read-only volume the group may only read', async () => {
  const { files } = ownedFiles();
  const root = volume();
  await change(files, root, { readOnly: true });
  expect(modeOf(path.join(root, 'sub/file'))).toBe('640');
});

test('a mode is never set through a symlink', async () => {
  const { files, groups } = ownedFiles();
  const root = volume();
  const outside = path.join(temporaryDirectory(onTestFinished), 'outside');
  writeFileSync(outside, 'x');
  chmodSync(outside, 0o600);
  symlinkSync(outside, path.join(root, 'escape'));
  await change(files, root);
  expect(modeOf(outside)).toBe('600');
  expect(groups.has(path.join(root, 'escape'))).toBe(true);
  expect(groups.has(outside)).toBe(false);
});

test('OnRootMismatch changes nothing below a root that is right, Always does', async () => {
  const { files, order } = ownedFiles();
  const root = volume();
  await change(files, root, { policy: 'OnRootMismatch' });
  expect(order).toHaveLength(4);
  await change(files, root, { policy: 'OnRootMismatch' });
  expect(order).toHaveLength(4);
  await change(files, root, { policy: 'Always' });
  expect(order).toHaveLength(8);
});

test.each([0o2755, 0o775, 0o2705])('OnRootMismatch sees that a root of mode %o is not right', async (mode) => {
  const { files, order } = ownedFiles();
  const root = volume();
  await change(files, root);
  chmodSync(root, mode);
  await change(files, root, { policy: 'OnRootMismatch' });
  expect(order).toHaveLength(8);
});

test('without an fsGroup nothing is touched', async () => {
  const { files, order } = ownedFiles();
  await change(files, volume(), { fsGroup: undefined });
  expect(order).toEqual([]);
});

test('what may not be changed is left as it is, and said once', async () => {
  const files: HostFiles = { ...localFiles, chown: () => Promise.reject(new Error('EPERM')) };
  const root = volume();
  expect(await change(files, root)).toHaveLength(1);
  expect(modeOf(path.join(root, 'sub/file'))).toBe('600');
});

test('an abort ends the walk between two files', async () => {
  const { files, order } = ownedFiles();
  const abort = new AbortController();
  const stopping: HostFiles = {
    ...files,
    async chown(file, uid, gid) {
      await files.chown(file, uid, gid);
      abort.abort(new Error('pod is gone'));
    },
  };
  const walk = changeOwnership(stopping, volume(), { fsGroup: FS_GROUP, readOnly: false }, () => undefined, abort.signal);
  await expect(walk).rejects.toThrow('pod is gone');
  expect(order).toHaveLength(1);
});
