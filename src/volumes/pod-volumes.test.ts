import { expect, test } from 'vitest';
import type { Pod, PodSpec } from '../api/types.ts';
import { hugePageSize } from './huge-pages.ts';
import { nestedMountpoints } from './nested-mountpoints.ts';
import { createPodPaths } from './pod-paths.ts';
import { commonUser, volumesInUse } from './pod-volumes.ts';

function pod(spec: Partial<PodSpec>): Pod {
  return { metadata: { name: 'p', namespace: 'ns', uid: 'u1' }, spec: { containers: [], ...spec } };
}

test('volumes that no container uses are left out, images excepted', () => {
  const used = volumesInUse(
    pod({
      initContainers: [{ name: 'i', volumeMounts: [{ name: 'init', mountPath: '/i' }] }],
      containers: [{ name: 'c', volumeDevices: [{ name: 'device', devicePath: '/dev/x' }] }],
      ephemeralContainers: [{ name: 'e', volumeMounts: [{ name: 'debug', mountPath: '/d' }] }],
      volumes: [{ name: 'init' }, { name: 'unused' }, { name: 'device' }, { name: 'debug' }, { name: 'image', image: { reference: 'x' } }],
    }),
  );
  expect(used.map(({ name }) => name)).toEqual(['init', 'device', 'debug', 'image']);
});

test('mount points are made for the outermost volumes mounted below, in every container', () => {
  const mount = (name: string, mountPath: string) => ({ name, mountPath });
  const spec = pod({
    containers: [
      {
        name: 'a',
        volumeMounts: [mount('v', '/dir/'), mount('x', '/dir/nested'), mount('y', '/dir/nested/other'), mount('z', '/dir-not')],
      },
      { name: 'b', volumeMounts: [mount('v', '/other'), mount('x', '/other/a/b'), mount('y', '/dir/nested')] },
    ],
  });
  expect(nestedMountpoints(spec, 'v')).toEqual(['nested', 'a/b']);
  expect(nestedMountpoints(spec, 'z')).toEqual([]);
});

test('a mount path cannot lead out of the volume', () => {
  const containers = [
    {
      name: 'a',
      volumeMounts: [
        { name: 'v', mountPath: '/d' },
        { name: 'x', mountPath: '/d/../../e' },
      ],
    },
  ];
  expect(nestedMountpoints(pod({ containers }), 'v')).toEqual([]);
});

test.each([
  [{ containers: [{ name: 'a' }] }, undefined],
  [{ securityContext: { runAsUser: 5 }, containers: [{ name: 'a' }, { name: 'b', securityContext: { runAsUser: 5 } }] }, 5],
  [{ securityContext: { runAsUser: 5 }, containers: [{ name: 'a' }, { name: 'b', securityContext: { runAsUser: 6 } }] }, undefined],
  [{ containers: [{ name: 'a', securityContext: { runAsUser: 0 } }] }, 0],
  [{ containers: [{ name: 'a', securityContext: { runAsUser: 7 } }, { name: 'b' }] }, undefined],
])('the user common to all containers of %j is %s', (spec, user) => {
  expect(commonUser(pod(spec))).toBe(user);
});

test('a huge page volume takes the page size that the pod requests', () => {
  const requesting = (...sizes: readonly string[]) =>
    pod({ containers: sizes.map((size) => ({ name: size, resources: { requests: { [`hugepages-${size}`]: '64Mi', cpu: '1' } } })) });
  expect(hugePageSize(requesting('2Mi'), 'HugePages')).toBe('2Mi');
  expect(hugePageSize(requesting('2Mi', '1Gi'), 'HugePages-1Gi')).toBe('1Gi');
  expect(() => hugePageSize(requesting('2Mi', '1Gi'), 'HugePages')).toThrow('multiple huge page sizes');
  expect(() => hugePageSize(requesting('2Mi'), 'HugePages-1Gi')).toThrow('there is no resource request for huge pages');
});

test('names that are no single path element never become paths', () => {
  const paths = createPodPaths('/pods');
  expect(paths.volume('u1', 'kubernetes.io/configmap', 'v')).toBe('/pods/u1/volumes/kubernetes.io~configmap/v');
  expect(paths.subPath('u1', 'v', 'c', 2)).toBe('/pods/u1/volume-subpaths/v/c/2');
  for (const bad of ['', '.', '..', 'a/b', '../x', 'a\0b']) expect(() => paths.pod(bad)).toThrow('cannot be a directory name');
});
