import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { maskedPathsOf } from './masked-paths.ts';
import { hostsFileMount, logLinkPath, makeLogLink, makePodDirectories, removeLogLink, writeHostsFile } from './pod-files.ts';
import { readVolumeFile } from './volume-file.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'pod-files-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('the hosts file is replaced in place: who has it mounted sees the new content', async () => {
  const { hostPath } = await hostsFileMount(directory);
  const before = await stat(hostPath);
  expect(before.size).toBe(0);
  await writeHostsFile(directory, 'one\n');
  await hostsFileMount(directory);
  await writeHostsFile(directory, 'two\n');
  const after = await stat(hostPath);
  expect(await readFile(hostPath, 'utf8')).toBe('two\n');
  expect([after.ino, after.mode & 0o777]).toEqual([before.ino, 0o644]);
});

test('pod directories are not for everybody', async () => {
  const pod = path.join(directory, 'pods', 'u');
  await makePodDirectories(pod);
  await makePodDirectories(pod);
  expect((await readdir(pod)).sort()).toEqual(['plugins', 'volumes']);
  expect((await stat(pod)).mode & 0o007).toBe(0);
});

test('a log link has at most 255 characters and needs a log', async () => {
  const names = { podName: 'p'.repeat(200), podNamespace: 'ns', containerName: 'c'.repeat(60), containerId: 'id' };
  const link = logLinkPath(path.join(directory, 'links'), names);
  expect(path.basename(link)).toHaveLength(255);
  expect(link.endsWith('.log')).toBe(true);
  const log = path.join(directory, '0.log');
  await makeLogLink(link, log);
  await expect(stat(link)).rejects.toThrow('ENOENT');
  await writeFile(log, 'x');
  await makeLogLink(link, log);
  await makeLogLink(link, log);
  expect(await readFile(link, 'utf8')).toBe('x');
  await removeLogLink(link);
  await removeLogLink(link);
  expect(await readdir(path.dirname(link))).toEqual([]);
});

test('a file of a volume is read, also through links that stay inside', async () => {
  const volume = path.join(directory, 'volume');
  await mkdir(path.join(volume, 'sub'), { recursive: true });
  await writeFile(path.join(volume, 'sub', 'env'), "A='1'");
  await symlink('sub', path.join(volume, 'link'));
  expect(await readVolumeFile(volume, 'link/env')).toBe("A='1'");
});

test('a volume cannot make the agent read what is outside of it, or what is no file', async () => {
  const volume = path.join(directory, 'volume');
  await mkdir(volume);
  await writeFile(path.join(directory, 'secret'), 's');
  await mkdir(path.join(directory, 'volume-other'));
  await symlink('../secret', path.join(volume, 'out'));
  await symlink('/etc/passwd', path.join(volume, 'absolute'));
  for (const file of ['out', 'absolute', '../secret', '../volume-other']) {
    await expect(readVolumeFile(volume, file)).rejects.toThrow('is outside of its volume');
  }
  await mkdir(path.join(volume, 'directory'));
  await expect(readVolumeFile(volume, 'directory')).rejects.toThrow('is not a regular file');
  await expect(readVolumeFile(volume, 'absent')).rejects.toThrow('ENOENT');
  await writeFile(path.join(volume, 'big'), Buffer.alloc(1024 * 1024 + 1));
  await expect(readVolumeFile(volume, 'big')).rejects.toThrow('has more than 1048576 bytes');
});

test('processors that tell how hot they are have that hidden', async () => {
  await mkdir(path.join(directory, 'cpu0', 'thermal_throttle'), { recursive: true });
  await mkdir(path.join(directory, 'cpu1'));
  await mkdir(path.join(directory, 'cpufreq', 'thermal_throttle'), { recursive: true });
  const paths = maskedPathsOf(directory);
  expect(paths.filter((masked) => masked.startsWith(directory))).toEqual([path.join(directory, 'cpu0', 'thermal_throttle')]);
  expect(paths).toContain('/proc/kcore');
  expect(maskedPathsOf(path.join(directory, 'absent'))).toContain('/sys/firmware');
});
