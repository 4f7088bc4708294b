import { expect, test } from 'vitest';
import type { ContainerSpec, VolumeMountSpec } from '../api/types.ts';
import { mountsEtcHosts, volumeMounts } from './mounts.ts';
import type { MountedVolume } from './ports.ts';
import { makePod } from './testing/fixtures.ts';

const never = new AbortController().signal;
const volume = (name: string, change: Partial<MountedVolume> = {}): MountedVolume => ({
  name,
  hostPath: `/volumes/${name}`,
  readOnly: false,
  selinuxRelabel: false,
  ...change,
});

interface Setup {
  readonly volumes?: readonly MountedVolume[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly supportsRecursiveReadOnly?: boolean;
  readonly subPathError?: Error;
}

async function mountsOf(
  mounts: VolumeMountSpec[],
  { volumes = [volume('v')], environment = {}, supportsRecursiveReadOnly = true, subPathError }: Setup = {},
) {
  const container: ContainerSpec = { name: 'main', volumeMounts: mounts };
  return volumeMounts(
    {
      pod: makePod(),
      container,
      volumes: new Map(volumes.map((each) => [each.name, each])),
      environment: new Map(Object.entries(environment)),
      runtimeHandler: '',
      resolveSubPath: async (_pod, { hostPath }, name, index, subPath) => {
        if (subPathError) throw subPathError;
        return `safe:${hostPath}/${subPath}#${name}/${index}`;
      },
      supportsRecursiveReadOnly: async () => supportsRecursiveReadOnly,
    },
    never,
  );
}

test('a volume where the container wants it', async () => {
  expect(await mountsOf([{ name: 'v', mountPath: 'data' }])).toEqual([
    { containerPath: '/data', hostPath: '/volumes/v', readonly: false, selinuxRelabel: false, propagation: 'private' },
  ]);
});

test('read-only by the mount or by the volume', async () => {
  const volumes = [volume('v'), volume('ro', { readOnly: true, selinuxRelabel: true })];
  const mounts = await mountsOf(
    [
      { name: 'v', mountPath: '/a', readOnly: true },
      { name: 'ro', mountPath: '/b' },
    ],
    { volumes },
  );
  expect(mounts.map(({ readonly, selinuxRelabel }) => [readonly, selinuxRelabel])).toEqual([
    [true, false],
    [true, true],
  ]);
});

test.each([
  [undefined, 'private'],
  ['None', 'private'],
  ['HostToContainer', 'hostToContainer'],
  ['Bidirectional', 'bidirectional'],
])('propagation %s is %s', async (mountPropagation, expected) => {
  const [mount] = await mountsOf([{ name: 'v', mountPath: '/a', ...(mountPropagation === undefined ? {} : { mountPropagation }) }]);
  expect(mount?.propagation).toBe(expected);
});

test('sub-paths are made safe by the volumes, each under the index of its mount', async () => {
  const mounts = await mountsOf(
    [
      { name: 'v', mountPath: '/a', subPath: 'x/y' },
      { name: 'v', mountPath: '/b', subPathExpr: '$(POD)/$(POD)' },
    ],
    { environment: { POD: 'p' } },
  );
  expect(mounts.map(({ hostPath }) => hostPath)).toEqual(['safe:/volumes/v/x/y#main/0', 'safe:/volumes/v/p/p#main/1']);
});

test('the image of a volume is mounted by the runtime', async () => {
  const volumes = [volume('img', { hostPath: '', readOnly: true, image: { imageId: 'sha256:i', reference: 'data:1' } })];
  expect(await mountsOf([{ name: 'img', mountPath: '/img', subPath: 'etc' }], { volumes })).toEqual([
    {
      containerPath: '/img',
      hostPath: '',
      readonly: true,
      selinuxRelabel: false,
      propagation: 'private',
      image: { image: 'sha256:i', userSpecifiedImage: 'data:1' },
      imageSubPath: 'etc',
    },
  ]);
});

test.each<[Partial<VolumeMountSpec>, boolean, boolean | string]>([
  [{ recursiveReadOnly: 'Disabled' }, true, false],
  [{ recursiveReadOnly: 'Enabled', readOnly: true }, true, true],
  [{ recursiveReadOnly: 'IfPossible', readOnly: true }, true, true],
  [{ recursiveReadOnly: 'IfPossible', readOnly: true }, false, false],
  [{ recursiveReadOnly: 'Enabled', readOnly: true }, false, 'but it is not supported by the runtime'],
  [{ recursiveReadOnly: 'Enabled' }, true, 'but it is not read-only'],
  [
    { recursiveReadOnly: 'Enabled', readOnly: true, mountPropagation: 'Bidirectional' },
    true,
    'not compatible with propagation "Bidirectional"',
  ],
  [{ recursiveReadOnly: 'Maybe', readOnly: true }, true, 'unknown recursive read-only mode "Maybe"'],
])('recursive read-only: %j, supported %s', async (mount, supportsRecursiveReadOnly, expected) => {
  const mounts = mountsOf([{ name: 'v', mountPath: '/a', ...mount }], { supportsRecursiveReadOnly });
  if (typeof expected === 'string') await expect(mounts).rejects.toThrow(expected);
  else expect((await mounts)[0]?.recursiveReadOnly ?? false).toBe(expected);
});

test.each<[Partial<VolumeMountSpec>, Setup, string]>([
  [{ name: 'gone' }, {}, 'cannot find volume "gone" to mount into container "main"'],
  [{ subPath: '/abs' }, {}, 'error SubPath `/abs` must not be an absolute path'],
  [{ subPath: 'a/../b' }, {}, "unable to provision SubPath `a/../b`: must not contain '..'"],
  [{ subPathExpr: '$(UP)/x' }, { environment: { UP: '..' } }, "must not contain '..'"],
  [{ subPathExpr: '$(B)/$(A)' }, { environment: { A: '' } }, 'missing value for A, B'],
  [{ subPath: 'x' }, { subPathError: new Error('no') }, 'failed to prepare subPath for volumeMount "v" of container "main"'],
  [{ mountPropagation: 'Odd' }, {}, 'invalid MountPropagation mode: "Odd"'],
])('%j is refused', async (mount, setup, message) => {
  await expect(mountsOf([{ name: 'v', mountPath: '/a', ...mount }], setup)).rejects.toThrow(message);
});

test('only a mount at exactly /etc/hosts takes the place of the managed file', () => {
  expect(mountsEtcHosts({ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/etc/hosts' }] })).toBe(true);
  expect(mountsEtcHosts({ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/etc' }] })).toBe(false);
});
