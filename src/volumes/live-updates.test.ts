import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { configMap, podWith, secret, volumeBench } from './testing/volume-bench.ts';
import { SETTLED_MS, eventually, labels, pass, read, settings, token } from './testing/volumes-in-use.ts';
import { createVolumeManager } from './volume-manager.ts';

const signal = new AbortController().signal;

test('optional references to missing objects are empty volumes, and fill when the object comes', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  const mounted = await volumes.mount(podWith([{ name: 'o', configMap: { name: 'cm', optional: true } }]), signal);
  expect(readdirSync(mounted.get('o')?.hostPath ?? '').filter((name) => !name.startsWith('..'))).toEqual([]);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(mounted, 'o', 'k')).toBe('v'));
});

test('a changed object is rewritten in the pods that use it, a burst of changes once', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: '0' }));
  const volumes = createVolumeManager(bench.deps);
  const mounted = await volumes.mount(podWith([settings]), signal);
  await volumes.mount(podWith([{ name: 'other', configMap: { name: 'cm2', optional: true } }], { uid: 'u2' }), signal);
  const reads = bench.configMaps.reads;
  for (const k of ['1', '2', '3']) bench.configMaps.set('ns', 'cm', configMap('cm', { k }));
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(mounted, 'settings', 'k')).toBe('3'));
  expect(bench.configMaps.reads).toBe(reads + 1);
});

test('an object that goes away leaves the volume as it was, with an event and growing waits between tries', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const mounted = await createVolumeManager(bench.deps).mount(podWith([settings]), signal);
  bench.configMaps.set('ns', 'cm', undefined);
  await pass(bench, SETTLED_MS);
  expect(bench.events).toHaveLength(1);
  expect(read(mounted, 'settings', 'k')).toBe('v');
  await pass(bench, 600);
  expect(bench.events).toHaveLength(2);
  await pass(bench, 600);
  expect(bench.events).toHaveLength(2);
});

test('labels that change are followed, other changes of the pod are not', async () => {
  const bench = volumeBench(onTestFinished);
  const volumes = createVolumeManager(bench.deps);
  const pod = podWith([labels]);
  const mounted = await volumes.mount(pod, signal);
  volumes.podChanged({ ...pod, status: { phase: 'Running' } });
  expect(bench.clock.pendingTimers).toBe(0);
  volumes.podChanged({ ...pod, metadata: { ...pod.metadata, labels: { app: 'db' } } });
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(mounted, 'labels', 'labels')).toBe('app="db"'));
  await volumes.mount({ ...pod, metadata: { ...pod.metadata, labels: { app: 'api' } } }, signal);
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(mounted, 'labels', 'labels')).toBe('app="api"'));
});

test('a token is replaced when its time comes, for its pod and no other', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { 'ca.crt': 'CA' }));
  const volumes = createVolumeManager(bench.deps);
  const mounted = await volumes.mount(podWith([token], { serviceAccountName: 'sa' }), signal);
  expect(bench.tokenRequests).toEqual([
    { namespace: 'ns', serviceAccount: 'sa', audiences: [], expirationSeconds: 600, pod: { name: 'pod-u1', uid: 'u1' } },
  ]);
  expect(read(mounted, 'token', 'token')).toBe('token-1');
  expect(read(mounted, 'token', 'ca.crt')).toBe('CA');
  await pass(bench, 470_000);
  expect(bench.tokenRequests).toHaveLength(1);
  await bench.clock.advance(20_000);
  await eventually(() => expect(read(mounted, 'token', 'token')).toBe('token-2'));
  await eventually(() => expect(bench.clock.pendingTimers).toBe(1));
  await bench.clock.advance(480_000);
  await eventually(() => expect(read(mounted, 'token', 'token')).toBe('token-3'));
});

test('a refresh that waits for the API server does not hold up the end of the pod', async () => {
  const bench = volumeBench(onTestFinished);
  bench.secrets.set('ns', 's', secret('s', {}));
  let hang = false;
  const hanging = (ready: AbortSignal) =>
    new Promise<never>((_, reject) => ready.addEventListener('abort', () => reject(new Error('aborted'))));
  const secrets = {
    onChange: (listener: (namespace: string, name: string) => void) => bench.secrets.onChange(listener),
    get: (namespace: string, name: string, ready: AbortSignal) => (hang ? hanging(ready) : bench.secrets.get(namespace, name)),
  };
  const volumes = createVolumeManager({ ...bench.deps, objects: { ...bench.deps.objects, secrets } });
  await volumes.mount(podWith([{ name: 'sec', secret: { secretName: 's' } }]), signal);
  hang = true;
  bench.secrets.set('ns', 's', secret('s', { k: 'v' }));
  await pass(bench, SETTLED_MS);
  await volumes.unmount('u1', signal);
  expect(readdirSync(bench.podsDirectory)).toEqual([]);
  expect(bench.events).toEqual([]);
});

test('volumes that an earlier run has left are in place at once, whatever the API server does, and follow changes again', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const before = createVolumeManager(bench.deps);
  await before.mount(podWith([settings]), signal);
  await before.stop();
  bench.configMaps.failure = new Error('connection refused');
  const mounted = await createVolumeManager(bench.deps).mount(podWith([settings]), signal);
  expect(read(mounted, 'settings', 'k')).toBe('v');
  await eventually(() =>
    expect(bench.events.map(({ message }) => message)).toEqual(['MountVolume.SetUp failed for volume "settings" : connection refused']),
  );
  bench.configMaps.failure = undefined;
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'new' }));
  await bench.clock.advance(SETTLED_MS);
  await eventually(() => expect(read(mounted, 'settings', 'k')).toBe('new'));
});

test('a token that an earlier run has left is replaced at once: nobody knows how long it is good', async () => {
  const bench = volumeBench(onTestFinished);
  bench.configMaps.set('ns', 'cm', configMap('cm', { k: 'v' }));
  const before = createVolumeManager(bench.deps);
  await before.mount(podWith([token]), signal);
  await before.stop();
  const mounted = await createVolumeManager(bench.deps).mount(podWith([token]), signal);
  await eventually(() => expect(read(mounted, 'token', 'token')).toBe('token-2'));
});
