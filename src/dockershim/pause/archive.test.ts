import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { pauseArchive } from './archive.ts';
import { pauseProgram } from './program.ts';

test('tar finds one executable file of root’s in it, with the program as its content', () => {
  const archive = pauseArchive('x64');
  const listing = execFileSync('tar', ['--list', '--verbose', '--numeric-owner'], { input: archive, encoding: 'utf8' });
  expect(listing.trim().split('\n')).toHaveLength(1);
  expect(listing).toMatch(/^-rwxr-xr-x 0\/0 +\d+ 1970-01-01 \d\d:\d\d pause\n$/);
  expect(execFileSync('tar', ['--extract', '--to-stdout'], { input: archive })).toEqual(Buffer.from(pauseProgram('x64')));
});
