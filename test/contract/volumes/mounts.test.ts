/** Volumes with the host's real mount and umount, on temporary directories. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, onTestFinished, test as base } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { createHostMounter } from '../../../src/volumes/mounter.ts';
import { configMap, podWith, secret, volumeBench, type VolumeBench } from '../../../src/volumes/testing/volume-bench.ts';
import { temporaryDirectory } from '../../../src/volumes/testing/temporary-directory.ts';
import type { VolumeManager } from '../../../src/volumes/types.ts';
import { createVolumeManager } from '../../../src/volumes/volume-manager.ts';

const signal = new AbortController().signal;
const mounter = createHostMounter({ clock: systemClock });
const mayMount = process.getuid?.() === 0 && (await mounter.available(signal));
/** Without root and CAP_SYS_ADMIN nothing can be mounted; unit tests cover what volumes do then. */
const test = base.skipIf(!mayMount);

const leftovers = new Set<string>();
afterAll(async () => {
  const mounts = await mounter.list(signal);
  expect(mounts.filter(({ path: mounted }) => [...leftovers].some((directory) => mounted.startsWith(directory)))).toEqual([]);
});

interface Rig {
  readonly bench: VolumeBench;
  readonly pods: string;
  /** A manager that knows nothing of what earlier ones did. */
  readonly start: () => VolumeManager;
}

function rig(): Rig {
  const bench = volumeBench(onTestFinished);
  leftovers.add(bench.podsDirectory);
  const start = (): VolumeManager => createVolumeManager({ ...bench.deps, clock: systemClock, mounter });
  onTestFinished(async () => {
    const volumes = start();
    for (const uid of await volumes.orphans(new Set(), signal)) await volumes.unmount(uid, signal);
  });
  return { bench, pods: bench.podsDirectory, start };
}

async function mountedBelow(directory: string): Promise<string[]> {
  const mounts = await mounter.list(signal);
  return mounts.filter((mount) => mount.path.startsWith(directory)).map((mount) => `${mount.fsType} ${mount.path.slice(directory.length)}`);
}

test('a secret is in memory, and unmounting by UID alone takes it away', async () => {
  const { bench, pods, start } = rig();
  bench.secrets.set('ns', 's', secret('s', { password: 'x' }));
  const mounted = await start().mount(podWith([{ name: 'sec', secret: { secretName: 's' } }]), signal);
  expect(readFileSync(path.join(mounted.get('sec')?.hostPath ?? '', 'password'), 'utf8')).toBe('x');
  expect(await mountedBelow(pods)).toEqual(['tmpfs /u1/volumes/kubernetes.io~secret/sec']);
  await start().unmount('u1', signal);
  expect(await mountedBelow(pods)).toEqual([]);
  expect(readdirSync(pods)).toEqual([]);
});

test('a volume whose memory is full says so and works once its content fits', async () => {
  const { bench, pods, start } = rig();
  bench.node.podMemoryLimit = 64 * 1024;
  bench.secrets.set('ns', 's', secret('s', { big: 'x'.repeat(256 * 1024) }));
  const volumes = start();
  const pod = podWith([{ name: 'sec', secret: { secretName: 's' } }]);
  await expect(volumes.mount(pod, signal)).rejects.toThrow(/MountVolume\.SetUp failed for volume "sec" : write.*: no space left on device/);
  expect(readdirSync(path.join(pods, 'u1/volumes/kubernetes.io~secret/sec'))).toEqual([]);
  bench.secrets.set('ns', 's', secret('s', { small: 'x' }));
  const mounted = await volumes.mount(pod, signal);
  expect(readFileSync(path.join(mounted.get('sec')?.hostPath ?? '', 'small'), 'utf8')).toBe('x');
});

test('a sub-path stays what it was when the container moves it away and puts a symlink there', async () => {
  const { pods, start } = rig();
  const volumes = start();
  const pod = podWith([{ name: 'data', emptyDir: {} }]);
  const volume = (await volumes.mount(pod, signal)).get('data');
  if (volume === undefined) throw new Error('no volume');
  const resolved = await volumes.resolveSubPath(pod, volume, 'c', 0, 'sub/dir', signal);
  expect(resolved).toBe(path.join(pods, 'u1/volume-subpaths/data/c/0'));
  writeFileSync(path.join(volume.hostPath, 'sub/dir/file'), 'inside');
  renameSync(path.join(volume.hostPath, 'sub'), path.join(volume.hostPath, 'moved'));
  symlinkSync('/etc', path.join(volume.hostPath, 'sub'));
  expect(readFileSync(path.join(resolved, 'file'), 'utf8')).toBe('inside');
  await expect(volumes.resolveSubPath(pod, volume, 'c', 1, 'sub', signal)).rejects.toThrow('failed to prepare subPath');
});

test('a sub-path is bound once, and anew when something else is there now', async () => {
  const { bench, pods, start } = rig();
  bench.configMaps.set('ns', 'cm', configMap('cm', { key: 'one' }));
  const volumes = start();
  const pod = podWith([{ name: 'settings', configMap: { name: 'cm' } }]);
  const volume = (await volumes.mount(pod, signal)).get('settings');
  if (volume === undefined) throw new Error('no volume');
  const bind = () => volumes.resolveSubPath(pod, volume, 'c', 0, 'key', signal);
  const target = await bind();
  await bind();
  expect(await mountedBelow(path.join(pods, 'u1/volume-subpaths'))).toHaveLength(1);
  rmSync(path.join(volume.hostPath, '..data'));
  await start().mount(pod, signal); // writes the content again, in a new directory
  await bind();
  expect(await mountedBelow(path.join(pods, 'u1/volume-subpaths'))).toHaveLength(1);
  expect(statSync(target).ino).toBe(statSync(path.join(volume.hostPath, 'key')).ino);
});

test('the data of a local volume survives the pod, and so does that of a host path mounted into an emptyDir', async () => {
  const { bench, pods, start } = rig();
  const data = temporaryDirectory(onTestFinished);
  writeFileSync(path.join(data, 'precious'), 'x');
  bench.claims.set('ns/claim', { metadata: { uid: 'c1' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } });
  bench.persistentVolumes.set('pv', { metadata: { name: 'pv' }, spec: { claimRef: { uid: 'c1' }, local: { path: data } } });
  const pod = podWith([
    { name: 'data', persistentVolumeClaim: { claimName: 'claim' } },
    { name: 'tmp', emptyDir: {} },
  ]);
  const mounted = await start().mount(pod, signal);
  expect(readFileSync(path.join(mounted.get('data')?.hostPath ?? '', 'precious'), 'utf8')).toBe('x');
  const inside = path.join(mounted.get('tmp')?.hostPath ?? '', 'propagated');
  mkdirSync(inside);
  await mounter.bind(data, inside, {}, signal);
  expect(existsSync(path.join(inside, 'precious'))).toBe(true);
  await start().unmount('u1', signal);
  expect(readdirSync(pods)).toEqual([]);
  expect(readFileSync(path.join(data, 'precious'), 'utf8')).toBe('x');
});

test('a volume that a process still uses is not deleted, and goes once the process has ended', async () => {
  const { pods, start } = rig();
  const volumes = start();
  const mounted = await volumes.mount(podWith([{ name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }]), signal);
  const directory = mounted.get('mem')?.hostPath ?? '';
  writeFileSync(path.join(directory, 'file'), 'x');
  const user = spawn('sleep', ['60'], { cwd: directory });
  await once(user, 'spawn');
  try {
    await expect(volumes.unmount('u1', signal)).rejects.toThrow(`do not go away: ${directory}`);
    expect(existsSync(path.join(directory, 'file'))).toBe(true);
  } finally {
    user.kill('SIGKILL');
    await once(user, 'exit');
  }
  await volumes.unmount('u1', signal);
  expect(readdirSync(pods)).toEqual([]);
});

test('memory of an emptyDir is limited, and it is given to the pod’s group', async () => {
  const { start } = rig();
  const pod = podWith([{ name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '64Ki' } }], { securityContext: { fsGroup: 4321 } });
  const directory = (await start().mount(pod, signal)).get('mem')?.hostPath ?? '';
  expect(() => writeFileSync(path.join(directory, 'big'), 'x'.repeat(128 * 1024))).toThrow('ENOSPC');
  expect(statSync(directory).gid).toBe(4321);
  expect((statSync(directory).mode & 0o2777).toString(8)).toBe('2777');
  const marked = statSync(directory);
  expect((await start().mount(pod, signal)).get('mem')?.hostPath).toBe(directory);
  expect(statSync(directory).ctimeMs).toBe(marked.ctimeMs);
});

test('files of a config map belong to the pod’s group and a token to the user of its containers', async () => {
  const { bench, start } = rig();
  bench.configMaps.set('ns', 'cm', configMap('cm', { key: 'v' }));
  const sources = [{ serviceAccountToken: { path: 'token' } }];
  const volumes = [
    { name: 'settings', configMap: { name: 'cm', defaultMode: 0o400 } },
    { name: 'token', projected: { sources } },
  ];
  const mounted = await start().mount(podWith(volumes, { securityContext: { fsGroup: 4321, runAsUser: 1000 } }), signal);
  const key = statSync(path.join(mounted.get('settings')?.hostPath ?? '', 'key'));
  expect([key.gid, (key.mode & 0o777).toString(8)]).toEqual([4321, '440']);
  const token = statSync(path.join(mounted.get('token')?.hostPath ?? '', 'token'));
  expect([token.uid, token.gid, (token.mode & 0o777).toString(8)]).toEqual([1000, 4321, '640']);
});

test('a mount whose caller has given up is known as long as it may still come about', async () => {
  const { pods } = rig();
  const source = temporaryDirectory(onTestFinished);
  writeFileSync(path.join(source, 'precious'), 'x');
  const target = path.join(pods, 'u1/volumes/v');
  mkdirSync(target, { recursive: true });
  for (let round = 0; round < 10; round += 1) {
    const abort = new AbortController();
    const mounting = mounter.bind(source, target, {}, abort.signal);
    setImmediate(() => abort.abort(new Error('gave up')));
    await mounting.catch(() => undefined);
    const left = (await mounter.list(signal)).filter((mount) => mount.path === target);
    expect(existsSync(path.join(target, 'precious'))).toBe(left.length > 0);
    for (const mount of left) await mounter.unmount([mount.path], signal);
  }
  expect(existsSync(path.join(source, 'precious'))).toBe(true);
});

test('a tool that fails says what it was asked and what it answered', async () => {
  await expect(mounter.bind('/does/not/exist', temporaryDirectory(onTestFinished), {}, signal)).rejects.toThrow(
    /^mount failed: exit status 32\nArguments: -o bind \/does\/not\/exist .*\nOutput: mount: .*does not exist/s,
  );
});
