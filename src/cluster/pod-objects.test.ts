import { expect, test } from 'vitest';
import type { Pod } from '../api/types.ts';
import { PodObjects, podObjectNames } from './pod-objects.ts';

function pod(spec: Partial<Pod['spec']>): Pod {
  return { metadata: { name: 'web', namespace: 'shop', uid: 'u-1' }, spec: { containers: [{ name: 'app' }], ...spec } };
}

test('secrets and config maps are found wherever a pod can name them', () => {
  const names = podObjectNames(
    pod({
      imagePullSecrets: [{ name: 'pull' }],
      initContainers: [{ name: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's-env', key: 'k' } } }] }],
      containers: [
        {
          name: 'app',
          envFrom: [{ secretRef: { name: 's-from' } }, { configMapRef: { name: 'c-from' } }],
          env: [
            { name: 'B', valueFrom: { configMapKeyRef: { name: 'c-env', key: 'k' } } },
            { name: 'C', value: 'plain' },
          ],
        },
      ],
      ephemeralContainers: [{ name: 'e', envFrom: [{ configMapRef: { name: 'c-debug' } }] }],
      volumes: [
        { name: '1', secret: { secretName: 's-volume' } },
        { name: '2', configMap: { name: 'c-volume' } },
        { name: '3', projected: { sources: [{ secret: { name: 's-projected' } }, { configMap: { name: 'c-projected' } }] } },
        { name: '4', csi: { driver: 'd', nodePublishSecretRef: { name: 's-csi' } } },
        { name: '5', emptyDir: {} },
      ],
    }),
  );
  expect([...names.secrets].sort()).toEqual(['pull', 's-csi', 's-env', 's-from', 's-projected', 's-volume']);
  expect([...names.configMaps].sort()).toEqual(['c-debug', 'c-env', 'c-from', 'c-projected', 'c-volume']);
});

function countingCache(): {
  acquire(n: string, name: string): void;
  release(n: string, name: string): void;
  counts: Record<string, number>;
} {
  const counts: Record<string, number> = {};
  const add = (key: string, delta: number): void => {
    counts[key] = (counts[key] ?? 0) + delta;
  };
  return { counts, acquire: (n, name) => add(`${n}/${name}`, 1), release: (n, name) => add(`${n}/${name}`, -1) };
}

test('registering again follows the spec; unregistering twice is once', () => {
  const secrets = countingCache();
  const objects = new PodObjects(secrets, countingCache());
  objects.register(pod({ imagePullSecrets: [{ name: 'a' }, { name: 'b' }] }));
  objects.register(pod({ imagePullSecrets: [{ name: 'b' }, { name: 'c' }] }));
  expect(secrets.counts).toEqual({ 'shop/a': 0, 'shop/b': 1, 'shop/c': 1 });
  objects.unregister('u-1');
  objects.unregister('u-1');
  objects.unregister('unknown');
  expect(secrets.counts).toEqual({ 'shop/a': 0, 'shop/b': 0, 'shop/c': 0 });
});
