import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createVolumeManager } from '../volume-manager.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { podWith, volumeBench } from '../testing/volume-bench.ts';

const signal = new AbortController().signal;

async function mountHostPath(hostPath: string, type?: string): Promise<string> {
  const volumes = createVolumeManager(volumeBench(onTestFinished).deps);
  const source = type === undefined ? { path: hostPath } : { path: hostPath, type };
  const mounted = await volumes.mount(podWith([{ name: 'h', hostPath: source }]), signal);
  return mounted.get('h')?.hostPath ?? '';
}

test('without a type nothing is checked', async () => {
  expect(await mountHostPath('/does/not/exist')).toBe('/does/not/exist');
  expect(await mountHostPath('/does/not/exist', '')).toBe('/does/not/exist');
});

test('the OrCreate types create what is missing with the kubelet’s modes, and take what is there', async () => {
  const root = temporaryDirectory(onTestFinished);
  await mountHostPath(path.join(root, 'a/b'), 'DirectoryOrCreate');
  expect(statSync(path.join(root, 'a/b')).mode & 0o777).toBe(0o755);
  await mountHostPath(path.join(root, 'f'), 'FileOrCreate');
  expect(statSync(path.join(root, 'f')).mode & 0o777).toBe(0o644);
  writeFileSync(path.join(root, 'f'), 'content');
  await mountHostPath(path.join(root, 'f'), 'FileOrCreate');
  expect(statSync(path.join(root, 'f')).size).toBe(7);
  await expect(mountHostPath(path.join(root, 'missing/f'), 'FileOrCreate')).rejects.toThrow(/open .*missing\/f: no such file or directory/);
});

test('each type takes what it names', async () => {
  const root = temporaryDirectory(onTestFinished);
  const socket = path.join(root, 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  await mountHostPath(root, 'Directory');
  await mountHostPath(socket, 'Socket');
  await mountHostPath('/dev/null', 'CharDevice');
  await expect(mountHostPath(socket, 'File')).rejects.toThrow(`hostPath type check failed: ${socket} is not a file, it's a Socket`);
});

test.each([
  ['Directory', '/dev/null', "is not a directory, it's a CharDevice"],
  ['DirectoryOrCreate', '/dev/null', "is not a directory, it's a CharDevice"],
  ['File', '/etc', "is not a file, it's a Directory"],
  ['FileOrCreate', '/etc', "is not a file, it's a Directory"],
  ['Socket', '/etc', "is not a socket file, it's a Directory"],
  ['CharDevice', '/etc', "is not a character device, it's a Directory"],
  ['BlockDevice', '/dev/null', "is not a block device, it's a CharDevice"],
])('%s refuses %s', async (type, hostPath, words) => {
  await expect(mountHostPath(hostPath, type)).rejects.toThrow(`hostPath type check failed: ${hostPath} ${words}`);
});

test('a missing path, an unknown type and a path with .. are refused and create nothing', async () => {
  const missing = path.join(temporaryDirectory(onTestFinished), 'missing');
  await expect(mountHostPath(missing, 'Directory')).rejects.toThrow(
    `MountVolume.SetUp failed for volume "h" : hostPath type check failed, ${missing} is not a directory, unable to determine its type: path "${missing}" does not exist`,
  );
  await expect(mountHostPath(missing, 'Folder')).rejects.toThrow('Folder is an invalid volume type');
  mkdirSync(missing);
  await expect(mountHostPath(`${missing}/../x`, 'DirectoryOrCreate')).rejects.toThrow("must not contain '..'");
  expect(existsSync(path.join(missing, '../x'))).toBe(false);
});
