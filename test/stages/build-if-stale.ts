import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');

/** Builds dist/ unless it is newer than everything that it is made from. */
export function buildIfStale(say: (line: string) => void): void {
  const built = modified(path.join(root, 'dist/shorelet'));
  const sources = [path.join(root, 'build.mjs'), path.join(root, 'package-lock.json'), ...filesBelow(path.join(root, 'src'))];
  if (built !== undefined && sources.every((file) => (modified(file) ?? 0) <= built)) return;
  say('building the program');
  const result = spawnSync(process.execPath, [path.join(root, 'build.mjs')], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0) throw new Error('the build failed');
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function modified(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
