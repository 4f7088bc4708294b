import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './stage.ts';

/** Budget for what is loaded at rest: anonymous memory, MB (docs/performance.md). */
const MAX_ANONYMOUS_MB = 40;
const MAX_RESIDENT_MB = 85;

/**
 * The published package is dist/ and the packaged Node, nothing else: it is laid out as npm would, in an empty folder, and the
 * launcher must run through a link with an old Node first on PATH.
 */
const folder = mkdtempSync(path.join(tmpdir(), 'shorelet-bundle-'));
try {
  const installed = path.join(folder, 'lib/node_modules/shorelet');
  mkdirSync(installed, { recursive: true });
  cpSync(path.join(root, 'dist'), path.join(installed, 'dist'), { recursive: true });
  cpSync(path.join(root, 'package.json'), path.join(installed, 'package.json'));
  const nodePackage = `node-linux-${process.arch}`;
  mkdirSync(path.join(installed, 'node_modules'));
  symlinkSync(path.join(root, 'node_modules', nodePackage), path.join(installed, 'node_modules', nodePackage));
  mkdirSync(path.join(folder, 'bin'));
  symlinkSync('../lib/node_modules/shorelet/dist/shorelet', path.join(folder, 'bin/shorelet'));

  const run = (...args: string[]): string =>
    execFileSync(path.join(folder, 'bin/shorelet'), args, { encoding: 'utf8', cwd: folder, env: { PATH: '/usr/bin:/bin', HOME: folder } });
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
  const printed = run('version');
  if (!printed.includes(version)) throw new Error(`shorelet version printed ${JSON.stringify(printed)}, without ${version}`);
  if (!run('config').includes('KubeletConfiguration')) throw new Error('shorelet config printed no KubeletConfiguration');
  console.log(printed.trim());
  reportMemory(run('version', '--memory'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** `version --memory` loads everything that is needed at rest and prints what it costs. */
function reportMemory(text: string): void {
  const field = (name: string): number => Number(new RegExp(`${name}: (\\d+) MB`).exec(text)?.[1]);
  const [anonymous, resident] = [field('anonymous'), field('resident')];
  console.log(`loaded: ${anonymous} MB anonymous (budget ${MAX_ANONYMOUS_MB}), ${resident} MB resident (budget ${MAX_RESIDENT_MB})`);
  if (!(anonymous <= MAX_ANONYMOUS_MB && resident <= MAX_RESIDENT_MB)) throw new Error('the program loads more than its budget');
}
