import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim, VolumeSpec } from '../../api/types.ts';
import { temporaryDirectory } from '../testing/temporary-directory.ts';
import { podWith, volumeBench } from '../testing/volume-bench.ts';
import { createVolumeManager } from '../volume-manager.ts';

const signal = new AbortController().signal;
const byClaim: VolumeSpec = { name: 'data', persistentVolumeClaim: { claimName: 'claim' } };

function claim(changes: Partial<PersistentVolumeClaim> = {}): PersistentVolumeClaim {
  return { metadata: { name: 'claim', namespace: 'ns', uid: 'c1' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' }, ...changes };
}

function volume(spec: PersistentVolume['spec']): PersistentVolume {
  return { metadata: { name: 'pv' }, spec: { claimRef: { uid: 'c1' }, ...spec } };
}

function setup(boundClaim: PersistentVolumeClaim | undefined, persistentVolume: PersistentVolume | undefined) {
  const bench = volumeBench(onTestFinished);
  if (boundClaim) bench.claims.set(`ns/${boundClaim.metadata?.name}`, boundClaim);
  if (persistentVolume) bench.persistentVolumes.set('pv', persistentVolume);
  const volumes = createVolumeManager(bench.deps);
  return { ...bench, mount: (spec: VolumeSpec = byClaim) => volumes.mount(podWith([spec]), signal) };
}

test('a claim bound to a host path is that path, read-only when the pod says so', async () => {
  const { mount } = setup(claim(), volume({ hostPath: { path: '/srv/data' } }));
  expect((await mount()).get('data')).toMatchObject({ name: 'data', hostPath: '/srv/data', readOnly: false });
  const again = setup(claim(), volume({ hostPath: { path: '/srv/data' } }));
  const readOnly = { name: 'data', persistentVolumeClaim: { claimName: 'claim', readOnly: true } };
  expect((await again.mount(readOnly)).get('data')?.readOnly).toBe(true);
});

test('a claim bound to a local directory is bound into the pod under the name of the volume', async () => {
  const source = temporaryDirectory(onTestFinished);
  const { mount, mounter, podsDirectory } = setup(claim(), volume({ local: { path: source } }));
  const target = path.join(podsDirectory, 'u1/volumes/kubernetes.io~local-volume/pv');
  expect((await mount()).get('data')?.hostPath).toBe(target);
  expect(mounter.calls).toEqual([`bind ${source} ${target}`]);
});

test('a local volume that is mounted already is not mounted again', async () => {
  const { mount, mounter, podsDirectory } = setup(claim(), volume({ local: { path: temporaryDirectory(onTestFinished) } }));
  const target = path.join(podsDirectory, 'u1/volumes/kubernetes.io~local-volume/pv');
  mkdirSync(target, { recursive: true });
  mounter.mounts = [{ path: target, fsType: 'ext4' }];
  await mount();
  expect(mounter.calls).toEqual([]);
});

test('where nothing can be mounted a local volume is its directory', async () => {
  const source = temporaryDirectory(onTestFinished);
  const { mount, mounter } = setup(claim(), volume({ local: { path: source } }));
  mounter.mountable = false;
  expect((await mount()).get('data')?.hostPath).toBe(source);
});

test.each([
  [
    'there is no such claim',
    undefined,
    'error processing PVC ns/claim: failed to fetch PVC from API server: persistentvolumeclaims "claim" not found',
  ],
  ['it is not bound', claim({ status: { phase: 'Pending' } }), 'error processing PVC ns/claim: PVC is not bound'],
  ['it names no volume', claim({ spec: {} }), 'PVC has empty pvc.Spec.VolumeName'],
  [
    'it is being deleted',
    claim({ metadata: { name: 'claim', uid: 'c1', deletionTimestamp: '2026-01-01T00:00:00Z' } }),
    'error processing PVC ns/claim: PVC is being deleted',
  ],
  ['its volume is bound to another claim', claim({ metadata: { name: 'claim', uid: 'c2' } }), 'does not point to claim.UID c2'],
])('a claim fails the pod when %s', async (_, boundClaim, message) => {
  const { mount, events } = setup(boundClaim, volume({ hostPath: { path: '/srv' } }));
  await expect(mount()).rejects.toThrow(message);
  expect(events[0]?.message).toMatch(/^Unable to attach or mount volumes: unmounted volumes=\[data\]/);
});

test('a claim that is being deleted but is still protected serves the pod', async () => {
  const metadata = { name: 'claim', uid: 'c1', deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['kubernetes.io/pvc-protection'] };
  const { mount } = setup(claim({ metadata }), volume({ hostPath: { path: '/srv' } }));
  expect((await mount()).get('data')?.hostPath).toBe('/srv');
});

test('an ephemeral volume uses the claim of its name, but only one that was made for the pod', async () => {
  const ephemeral: VolumeSpec = { name: 'data', ephemeral: {} };
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'pod-u1', controller: true };
  const own = claim({ metadata: { name: 'pod-u1-data', uid: 'c1', ownerReferences: [{ ...owner, uid: 'u1' }] } });
  expect((await setup(own, volume({ hostPath: { path: '/srv' } })).mount(ephemeral)).get('data')?.hostPath).toBe('/srv');
  const foreign = claim({ metadata: { name: 'pod-u1-data', uid: 'c1', ownerReferences: [{ ...owner, uid: 'u0' }] } });
  await expect(setup(foreign, volume({ hostPath: { path: '/srv' } })).mount(ephemeral)).rejects.toThrow(
    'PVC ns/pod-u1-data was not created for pod ns/pod-u1 (pod is not owner)',
  );
});

test('a volume of another node is refused; any of its terms may match', async () => {
  const term = (value: string) => ({ matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] });
  const nodeAffinity = { required: { nodeSelectorTerms: [term('a'), term('b')] } };
  const { mount, node, events } = setup(claim(), volume({ hostPath: { path: '/srv' }, nodeAffinity }));
  await expect(mount()).rejects.toThrow('MountVolume.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms');
  expect(events).toHaveLength(1);
  node.labels['zone'] = 'b';
  expect((await mount()).get('data')?.hostPath).toBe('/srv');
});

test('a term may name the node itself', async () => {
  const named = (name: string) => ({
    required: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }] },
  });
  await setup(claim(), volume({ hostPath: { path: '/srv' }, nodeAffinity: named('n1') })).mount();
  await expect(setup(claim(), volume({ hostPath: { path: '/srv' }, nodeAffinity: named('n2') })).mount()).rejects.toThrow('NodeAffinity');
});

test('what this agent cannot do with a persistent volume is said by name', async () => {
  await expect(setup(claim(), volume({ nfs: { server: 's', path: '/' } })).mount()).rejects.toThrow('err=no volume plugin matched');
  await expect(setup(claim(), volume({ hostPath: { path: '/srv' }, volumeMode: 'Block' })).mount()).rejects.toThrow(
    'volume data has volumeMode Block, but is specified in volumeMounts',
  );
  await expect(setup(claim(), volume({ hostPath: { path: '/srv' }, mountOptions: ['noexec'] })).mount()).rejects.toThrow(
    'mount options are not supported for this volume type',
  );
  await expect(setup(claim(), volume({ local: { path: '/missing' } })).mount()).rejects.toThrow(
    'MountVolume.SetUp failed for volume "pv" : path "/missing" does not exist',
  );
});
