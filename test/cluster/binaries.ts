import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached, exists, keyOf, keyOfFiles, type Progress } from './cache.ts';
import { findGo } from './go-toolchain.ts';
import { lock } from './lock.ts';
import { run } from './run.ts';

/** The Kubernetes release that everything here is built from, as go.mod names it. */
export const kubernetesVersion = 'v1.37.2';

/** The Helm release that is tested with, as go-helm/go.mod names it. */
export const helmVersion = 'v4.2.4';

/** A Go module whose programs are built, and how. */
interface GoModule {
  readonly folder: string;
  /** Names the programs' folders in the cache. */
  readonly version: string;
  readonly linkerFlags: string;
}

const kubernetesModule: GoModule = {
  folder: join(import.meta.dirname, 'go'),
  version: kubernetesVersion,
  linkerFlags: kubernetesLinkerFlags(),
};
const helmModule: GoModule = {
  folder: join(import.meta.dirname, 'go-helm'),
  version: helmVersion,
  linkerFlags: `-s -w -X helm.sh/helm/v4/internal/version.version=${helmVersion}`,
};

/** How to start each program of the control plane: the words before its own arguments. */
export interface ControlPlanePrograms {
  /** The multi-call binary: kube-controller-manager, kube-scheduler, kube-proxy, certs, htpasswd. */
  readonly binary: string;
  readonly etcd: readonly string[];
  readonly apiServer: readonly string[];
  readonly kubectl: readonly string[];
}

/**
 * The control plane's programs: what `KUBEBUILDER_ASSETS` holds if it is of the
 * right minor release, the rest from the cache, built there at the first use.
 */
export async function controlPlanePrograms(progress: Progress, signal?: AbortSignal): Promise<ControlPlanePrograms> {
  const assets = await usableAssets();
  const binary = await build('the control plane', './kubernetes', { tags: assets === undefined ? '' : 'assets' }, progress, signal);
  const from = (name: string): readonly string[] => (assets === undefined ? [binary, name] : [join(assets, name)]);
  return { binary, etcd: from('etcd'), apiServer: from('kube-apiserver'), kubectl: from('kubectl') };
}

/** The upstream kubelet: the peer to measure against. */
export function kubeletBinary(progress: Progress, signal?: AbortSignal): Promise<string> {
  return build('the kubelet', './kubelet', {}, progress, signal);
}

/** The program of the agnhost test image. */
export function agnhostBinary(progress: Progress, signal?: AbortSignal): Promise<string> {
  return build('agnhost', 'k8s.io/kubernetes/test/images/agnhost', {}, progress, signal);
}

/** The program of the pause image. */
export function pauseBinary(progress: Progress, signal?: AbortSignal): Promise<string> {
  return build('pause', './pause', {}, progress, signal);
}

/** The runtime wrapper for machines without CAP_SYS_RESOURCE. */
export function lenientRuncBinary(progress: Progress, signal?: AbortSignal): Promise<string> {
  return build('lenient-runc', './lenient-runc', {}, progress, signal);
}

/** The program `helm`. */
export function helmBinary(progress: Progress, signal?: AbortSignal): Promise<string> {
  return build('helm', 'helm.sh/helm/v4/cmd/helm', { module: helmModule }, progress, signal);
}

async function build(
  what: string,
  pkg: string,
  options: { readonly tags?: string; readonly module?: GoModule },
  progress: Progress,
  signal?: AbortSignal,
): Promise<string> {
  const name = pkg.slice(pkg.lastIndexOf('/') + 1);
  const { folder, version, linkerFlags } = options.module ?? kubernetesModule;
  const sources = [join(folder, 'go.mod'), join(folder, 'go.sum')];
  if (pkg.startsWith('./')) sources.push(join(folder, name));
  const command = ['build', '-v', '-trimpath', '-buildvcs=false', '-tags', options.tags ?? '', '-ldflags', linkerFlags];
  const key = keyOf(process.arch, pkg, ...command, await keyOfFiles(...sources));
  return cached({
    what,
    path: `bin/${name}-${version}-${key}/${name}`,
    make: async (target) => {
      const { go, env } = await findGo(progress, signal);
      // One heavy build at a time: two would only take each other's cores and memory.
      const held = await lock('go-build', signal, () => {
        progress(`building ${what}: another build is under way, waiting for it`);
      });
      try {
        await mkdir(dirname(target), { recursive: true });
        await compile(what, [go, ...command, '-o', target, pkg], { cwd: folder, env }, progress, signal);
        await chmod(target, 0o755);
      } finally {
        await held.release();
      }
    },
    progress,
    signal,
  });
}

/** How often a running build says that it is alive. */
const progressIntervalMs = 15_000;
/** A cold build of the control plane takes 7 min on two idle cores. */
const buildTimeoutMs = 45 * 60_000;

async function compile(
  what: string,
  command: readonly string[],
  place: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const began = performance.now();
  let compiled = 0;
  const say = (): void => {
    progress(`building ${what} … ${duration(performance.now() - began)}, ${compiled.toString()} packages compiled`);
  };
  say();
  const timer = setInterval(say, progressIntervalMs);
  try {
    await run(command, {
      ...place,
      timeoutMs: buildTimeoutMs,
      signal,
      // -v prints a line for each package that is compiled.
      onStderr: (text) => (compiled += text.split('\n').length - 1),
    });
  } finally {
    clearInterval(timer);
  }
  progress(`built ${what} in ${duration(performance.now() - began)}`);
}

/** Without these the server calls itself v0.0.0-master, and kubectl refuses it. */
function kubernetesLinkerFlags(): string {
  const [major = '', minor = ''] = kubernetesVersion.slice(1).split('.');
  const facts = { gitVersion: kubernetesVersion, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const sets = packages.flatMap((pkg) => Object.entries(facts).map(([name, value]) => `-X ${pkg}.${name}=${value}`));
  return ['-s', '-w', ...sets].join(' ');
}

/** The folder of envtest's assets, if it holds all three programs at our minor release. */
async function usableAssets(): Promise<string | undefined> {
  const folder = process.env['KUBEBUILDER_ASSETS'];
  if (folder === undefined || folder === '') return undefined;
  for (const name of ['etcd', 'kube-apiserver', 'kubectl']) {
    if (!(await exists(join(folder, name)))) return undefined;
  }
  const version = await run([join(folder, 'kube-apiserver'), '--version'], { anyExit: true });
  const minor = kubernetesVersion.split('.').slice(0, 2).join('.');
  return version.stdout.includes(`${minor}.`) ? folder : undefined;
}

/** "3m12s". */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds.toString()}s` : `${Math.floor(seconds / 60).toString()}m${(seconds % 60).toString()}s`;
}
