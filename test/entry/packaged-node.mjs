/**
 * What every entry script needs before TypeScript can run: the npm packages of the lockfile, and the Node 24 among them.
 * Runs on any Node from 18 on, with built-in modules only.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Installs the packages if node_modules does not match the lockfile; answers the path of the packaged Node. */
export function ensurePackages() {
  if (!matchesLockfile()) {
    console.log('Installing npm packages (npm ci --ignore-scripts)');
    const npm = process.env.npm_execpath;
    const [command, first] = npm !== undefined && /\.c?js$/.test(npm) ? [process.execPath, [npm]] : ['npm', []];
    const args = [...first, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
    if (result.status !== 0) throw new Error(`npm ci failed (${result.error?.message ?? `exit code ${result.status}`})`);
  }
  const node = path.join(root, `node_modules/node-linux-${process.arch}/bin/node`);
  if (!existsSync(node))
    throw new Error(`there is no packaged Node for ${process.platform} ${process.arch}: Linux on x64 or arm64 is needed`);
  return node;
}

/** Runs a script of this repository on the packaged Node and ends with its exit code; signals are passed on. */
export function runScript(script, args) {
  const node = ensurePackages();
  const env = { ...process.env, PATH: `${path.dirname(node)}:${process.env.PATH ?? ''}` };
  const child = spawn(node, [path.join(root, script), ...args], { cwd: root, stdio: 'inherit', env });
  // A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone does not.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}

/** Whether every package that the lockfile wants on this platform is installed in that version. */
function matchesLockfile() {
  const wanted = readPackages('package-lock.json');
  const installed = readPackages('node_modules/.package-lock.json');
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === '') return true;
    const there = installed[name];
    if (there === undefined) return entry.optional === true && !isMadeForThisPlatform(entry);
    return there.version === entry.version && there.integrity === entry.integrity && existsSync(path.join(root, name));
  });
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return undefined; // absent or half written: reinstalling mends both
  }
}

/** Optional packages without a platform of their own come only with others that may be left out, so they say nothing. */
function isMadeForThisPlatform(entry) {
  const fits = (list, value) => [list].flat().includes(value);
  if (entry.os === undefined || entry.cpu === undefined) return false;
  return fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && (entry.libc === undefined || fits(entry.libc, 'glibc'));
}
