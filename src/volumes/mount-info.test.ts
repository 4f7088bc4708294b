import { expect, test } from 'vitest';
import { mountsWithin, parseMountInfo } from './mount-info.ts';

test('mount points and types are read, escapes undone, optional fields skipped, broken lines left out', () => {
  const text = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '96 22 0:41 / /a\\040b\\134c rw shared:5 master:2 - tmpfs tmpfs rw,size=1k',
    '97 22 0:42 / /plain rw - fuse.sshfs host:/x rw',
    'nonsense',
    '',
  ].join('\n');
  expect(parseMountInfo(text)).toEqual([
    { path: '/', fsType: 'ext4' },
    { path: '/a b\\c', fsType: 'tmpfs' },
    { path: '/plain', fsType: 'fuse.sshfs' },
  ]);
});

test('a directory holds its own mount and those below, not those of a neighbour with a longer name', () => {
  const mounts = ['/p', '/p/u1', '/p/u1/v', '/p/u10'].map((path) => ({ path, fsType: 'x' }));
  expect(mountsWithin(mounts, '/p/u1').map(({ path }) => path)).toEqual(['/p/u1', '/p/u1/v']);
});
