import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { ReasonedError } from '../lib/reasoned-error.ts';
import type { HostFiles } from './host-files.ts';
import { localFiles } from './local-files.ts';
import { configMap, podWith, secret, volumeBench } from './testing/volume-bench.ts';
import { SETTLED_MS, eventually, labels, read, settings, token } from './testing/volumes-in-use.ts';
import { createVolumeManager } from './volume-manager.ts';

const signal = new AbortController().signal;

test('volumes are put at the kubelet’s paths and content volumes are read-only', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  bench.secrets.set('ns', 's', secret('s', { p: 'x' }));
  const volumes = createVolumeManager(bench.deps);
  const mounted = await volumes.mount(
    podWith([
      settings,
      { name: 'sec', secret: { secretName: 's' } },
      { name: 'tmp', emptyDir: {} },
      labels,
      { name: 'etc', hostPath: { path: '/etc' } },
    ]),
    signal,
  );
  const at = (name: string) => mounted.get(name)?.hostPath.replace(bench.podsDirectory, '');
  expect(at('settings')).toBe('/u1/volumes/kubernetes.io~configmap/settings');
  expect(at('sec')).toBe('/u1/volumes/kubernetes.io~secret/sec');
  expect(at('tmp')).toBe('/u1/volumes/kubernetes.io~empty-dir/tmp');
  expect(at('labels')).toBe('/u1/volumes/kubernetes.io~downward-api/labels');
  expect(at('etc')).toBe('/etc');
  expect([...mounted.values()].map(({ name, readOnly }) => `${name} ${readOnly}`)).toEqual(
    expect.arrayContaining(['settings true', 'sec true', 'tmp false', 'labels true', 'etc false']),
  );
  expect(read(mounted, 'settings', 'k')).toBe('v');
  expect(statSync(path.join(bench.podsDirectory, 'u1')).mode & 0o777).toBe(0o750);
  expect(statSync(mounted.get('tmp')?.hostPath ?? '').mode & 0o777).toBe(0o777);
});

test('secrets, tokens and the downward API are in memory, of the size of the pod; config maps on disk', async () => {
  const bench = volumeBench(onTestFinished);
  bench.node.podMemoryLimit = 4096;
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  bench.secrets.set('ns', 's', secret('s', {}));
  await createVolumeManager(bench.deps).mount(podWith([settings, { name: 'sec', secret: { secretName: 's' } }, token, labels]), signal);
  const mounts = bench.mounter.calls.map((call) => call.replace(bench.podsDirectory, '')).sort();
  expect(mounts).toEqual([
    'tmpfs /u1/volumes/kubernetes.io~downward-api/labels 4096',
    'tmpfs /u1/volumes/kubernetes.io~projected/token 4096',
    'tmpfs /u1/volumes/kubernetes.io~secret/sec 4096',
  ]);
});

test('where nothing can be mounted, secrets are on disk under a private directory, which is said once', async () => {
  const bench = volumeBench(onTestFinished);
  bench.mounter.mountable = false;
  bench.secrets.set('ns', 's', secret('s', { p: 'x' }));
  const volumes = createVolumeManager(bench.deps);
  const spec = [{ name: 'sec', secret: { secretName: 's' } }];
  const mounted = await volumes.mount(podWith(spec), signal);
  await volumes.mount(podWith(spec, { uid: 'u2' }), signal);
  expect(bench.mounter.calls).toEqual([]);
  expect(statSync(path.dirname(mounted.get('sec')?.hostPath ?? '')).mode & 0o777).toBe(0o700);
  expect(statSync(mounted.get('sec')?.hostPath ?? '').mode & 0o777).toBe(0o777);
  expect(bench.notes.filter((note) => note.includes('may not mount'))).toHaveLength(1);
});

test('a missing object fails its volume with the kubelet’s event; the others are set up, and the next try needs only the missing one', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  const pod = podWith([settings, { name: 'tmp', emptyDir: {} }, { name: 'sec', secret: { secretName: 'gone' } }]);
  const failure = await volumes.mount(pod, signal).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ReasonedError);
  expect(failure).toMatchObject({ reason: 'FailedMount', eventRecorded: true });
  expect(bench.events.map(({ reason, message }) => `${reason} ${message}`).sort()).toEqual([
    'FailedMount MountVolume.SetUp failed for volume "sec" : secret "gone" not found',
    'FailedMount MountVolume.SetUp failed for volume "settings" : configmap "cm" not found',
  ]);
  const emptyDir = path.join(bench.podsDirectory, 'u1/volumes/kubernetes.io~empty-dir/tmp');
  writeFileSync(path.join(emptyDir, 'kept'), 'x');
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  bench.secrets.set('ns', 'gone', secret('gone', {}));
  const mounted = await volumes.mount(pod, signal);
  expect([...mounted.keys()].sort()).toEqual(['sec', 'settings', 'tmp']);
  expect(existsSync(path.join(emptyDir, 'kept'))).toBe(true);
});

test('a token belongs to the user that all containers run as, and to nobody else', async () => {
  const owners: string[] = [];
  const files: HostFiles = {
    ...localFiles,
    async chown(file, uid, gid) {
      owners.push(`${path.basename(file)} ${uid}:${gid}`);
    },
  };
  const bench = volumeBench(onTestFinished, { files });
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const mounted = await createVolumeManager(bench.deps).mount(podWith([token], { securityContext: { runAsUser: 1000 } }), signal);
  const directory = mounted.get('token')?.hostPath ?? '';
  expect(statSync(path.join(directory, 'token')).mode & 0o777).toBe(0o600);
  expect(statSync(path.join(directory, 'k')).mode & 0o777).toBe(0o644);
  expect(owners).toEqual(['token 1000:-1', 'token 1000:-1']);
});

test('mounting again answers the same without reading anything', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const volumes = createVolumeManager(bench.deps);
  const first = await volumes.mount(podWith([settings]), signal);
  const reads = bench.configMaps.reads;
  expect(await volumes.mount(podWith([settings]), signal)).toEqual(first);
  expect(bench.configMaps.reads).toBe(reads);
});

test('an emptyDir that is complete keeps the modes that its containers gave it', async () => {
  const bench = volumeBench(onTestFinished);
  const pod = podWith([{ name: 'tmp', emptyDir: {} }]);
  const mounted = await createVolumeManager(bench.deps).mount(pod, signal);
  const directory = mounted.get('tmp')?.hostPath ?? '';
  await localFiles.chmod(directory, 0o700);
  await createVolumeManager(bench.deps).mount(pod, signal);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test('a memory emptyDir is limited by the smallest of its own, the pod’s and the node’s memory', async () => {
  const bench = volumeBench(onTestFinished);
  const memory = (name: string, sizeLimit?: string) => ({
    name,
    emptyDir: { medium: 'Memory', ...(sizeLimit === undefined ? {} : { sizeLimit }) },
  });
  const volumes = createVolumeManager(bench.deps);
  await volumes.mount(podWith([memory('a')]), signal);
  await volumes.mount(podWith([memory('b', '1Mi')], { uid: 'u2' }), signal);
  await volumes.mount(podWith([memory('c', '8Gi')], { uid: 'u3' }), signal);
  expect(bench.mounter.calls.map((call) => call.split(' ')[2])).toEqual([String(2 ** 30), String(2 ** 20), String(2 ** 30)]);
});

test('unmounting ends refreshes, forgets tokens and removes the pod’s directory; other pods keep theirs', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const volumes = createVolumeManager(bench.deps);
  await volumes.mount(podWith([settings, token]), signal);
  const other = await volumes.mount(podWith([settings], { uid: 'u2' }), signal);
  await volumes.unmount('u1', signal);
  expect(readdirSync(bench.podsDirectory)).toEqual(['u2']);
  expect(bench.forgottenTokens).toEqual(['u1']);
  expect(bench.clock.pendingTimers).toBe(0);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'new' }));
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(other, 'settings', 'k')).toBe('new'));
  expect(readdirSync(bench.podsDirectory)).toEqual(['u2']);
  await volumes.unmount('u1', signal);
});

test('set-up and unmount of one pod do not overlap, and a pod does not wait for another', async () => {
  const bench = volumeBench(onTestFinished);
  const gate = Promise.withResolvers<void>();
  const objects = {
    ...bench.deps.objects,
    secrets: { onChange: () => () => undefined, get: () => gate.promise.then(() => secret('s', {})) },
  };
  const volumes = createVolumeManager({ ...bench.deps, objects });
  const mounting = volumes.mount(podWith([{ name: 'sec', secret: { secretName: 's' } }]), signal);
  const unmounting = volumes.unmount('u1', signal);
  await volumes.mount(podWith([{ name: 'tmp', emptyDir: {} }], { uid: 'u2' }), signal);
  gate.resolve();
  await mounting;
  await unmounting;
  expect(readdirSync(bench.podsDirectory)).toEqual(['u2']);
  expect(bench.clock.pendingTimers).toBe(0);
});

test('a mount that is aborted ends with the reason, records no event and can be undone', async () => {
  const bench = volumeBench(onTestFinished);
  const abort = new AbortController();
  const secrets = {
    onChange: () => () => undefined,
    get: (_namespace: string, _name: string, ready: AbortSignal) =>
      new Promise<never>((_, reject) => {
        const end = (): void => reject(ready.reason as Error);
        if (ready.aborted) end();
        else ready.addEventListener('abort', end);
      }),
  };
  const volumes = createVolumeManager({ ...bench.deps, objects: { ...bench.deps.objects, secrets } });
  const mounting = volumes.mount(
    podWith([
      { name: 'sec', secret: { secretName: 's' } },
      { name: 'tmp', emptyDir: {} },
    ]),
    abort.signal,
  );
  await settle();
  abort.abort(new Error('pod is being deleted'));
  await expect(mounting).rejects.toThrow('pod is being deleted');
  expect(bench.events).toEqual([]);
  await volumes.unmount('u1', signal);
  expect(existsSync(path.join(bench.podsDirectory, 'u1'))).toBe(false);
});

test('a full disk fails the volume in words, other pods go on, and it succeeds when there is space again', async () => {
  let full = true;
  const files: HostFiles = {
    ...localFiles,
    async writeFile(file, content, mode) {
      if (full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      await localFiles.writeFile(file, content, mode);
    },
  };
  const bench = volumeBench(onTestFinished, { files });
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const volumes = createVolumeManager(bench.deps);
  await expect(volumes.mount(podWith([settings]), signal)).rejects.toThrow(
    'MountVolume.SetUp failed for volume "settings" : write: no space left on device',
  );
  expect(readdirSync(path.join(bench.podsDirectory, 'u1/volumes/kubernetes.io~configmap/settings'))).toEqual([]);
  await volumes.mount(podWith([{ name: 'tmp', emptyDir: {} }], { uid: 'u2' }), signal);
  full = false;
  expect(read(await volumes.mount(podWith([settings]), signal), 'settings', 'k')).toBe('v');
});

test('orphans are the pod directories that nobody knows; unmounting by UID alone removes them', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  expect(await volumes.orphans(new Set(), signal)).toEqual([]);
  await volumes.mount(podWith([{ name: 'tmp', emptyDir: {} }]), signal);
  mkdirSync(path.join(bench.podsDirectory, 'old/volumes'), { recursive: true });
  writeFileSync(path.join(bench.podsDirectory, 'a-file'), '');
  expect(await volumes.orphans(new Set(['u1']), signal)).toEqual(['old']);
  await volumes.unmount('old', signal);
  expect(await volumes.orphans(new Set(['u1']), signal)).toEqual([]);
});

test('image volumes are made present and left to the runtime; a failed pull keeps its own reason', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  const pod = podWith([{ name: 'img', image: { reference: 'quay.io/x:1', pullPolicy: 'Always' } }]);
  bench.images.failure = new ReasonedError('ErrImagePull', 'no such image', { eventRecorded: true });
  await expect(volumes.mount(pod, signal)).rejects.toMatchObject({ reason: 'ErrImagePull', eventRecorded: true });
  expect(bench.events).toEqual([]);
  bench.images.failure = undefined;
  expect((await volumes.mount(pod, signal)).get('img')).toEqual({
    name: 'img',
    hostPath: '',
    readOnly: true,
    selinuxRelabel: false,
    image: { imageId: 'sha256:quay.io/x:1', reference: 'quay.io/x:1' },
  });
});

test('a volume without a plugin and a CSI volume fail in the kubelet’s words', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  await expect(volumes.mount(podWith([{ name: 'x', nfs: { server: 's', path: '/' } }]), signal)).rejects.toThrow(
    'failed to get Plugin from volumeSpec for volume "x" err=no volume plugin matched',
  );
  await expect(volumes.mount(podWith([{ name: 'x', csi: { driver: 'd.example' } }], { uid: 'u2' }), signal)).rejects.toThrow(
    'driver name d.example not found in the list of registered CSI drivers',
  );
});

test('a volume of a manifest that names no source is an emptyDir', async () => {
  const bench = volumeBench(onTestFinished);
  const mounted = await createVolumeManager(bench.deps).mount(podWith([{ name: 'x' }]), signal);
  expect(mounted.get('x')?.hostPath).toContain('kubernetes.io~empty-dir/x');
});

test('sub-paths are bound under the pod; failures tell the pod’s owner nothing about the host', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  const pod = podWith([{ name: 'tmp', emptyDir: {} }]);
  const volume = (await volumes.mount(pod, signal)).get('tmp');
  if (volume === undefined) throw new Error('no volume');
  const target = path.join(bench.podsDirectory, 'u1/volume-subpaths/tmp/c/3');
  expect(await volumes.resolveSubPath(pod, volume, 'c', 3, 'a/b', signal)).toBe(target);
  expect(bench.mounter.calls).toEqual([`bind descriptor ${target}`]);
  await localFiles.symlink('/etc', path.join(volume.hostPath, 'escape'));
  const escape = volumes.resolveSubPath(pod, volume, 'c', 4, 'escape', signal);
  await expect(escape).rejects.toThrow(/^failed to prepare subPath for volumeMount "tmp" of container "c"$/);
  await expect(volumes.resolveSubPath(pod, volume, 'c', 4, '../x', signal)).rejects.toThrow("must not contain '..'");
});

test('stopping ends the subscriptions and refreshes', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const volumes = createVolumeManager(bench.deps);
  await volumes.mount(podWith([token]), signal);
  await volumes.stop();
  expect(bench.configMaps.listeners).toBe(0);
  expect(bench.clock.pendingTimers).toBe(0);
});
