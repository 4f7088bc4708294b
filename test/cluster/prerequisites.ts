import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { cached, exists, keyOf, type Progress } from './cache.ts';
import { run } from './run.ts';

/**
 * Debian packages that the test bed takes programs from. They are downloaded and
 * unpacked into the cache folder, never installed: nothing on the machine changes
 * and no service starts.
 */
const packages = [
  // the engine and the nodes
  'docker.io',
  'containerd',
  'runc',
  'iptables',
  'conntrack',
  'iproute2',
  'containernetworking-plugins',
  'docker-registry',
  // what goes into test images
  'busybox',
  'bash-static',
  'nginx-light',
  'curl',
  'bind9-dnsutils',
  'netcat-openbsd',
  'socat',
  'procps',
  'util-linux',
] as const;

/** Programs that have to be on the machine already: every Debian has them. */
const essentials = ['apt-get', 'dpkg', 'dpkg-deb', 'tar', 'nsenter', 'mount', 'umount'] as const;

/** Where the programs that the test bed runs are. */
export interface Tools {
  /** A folder laid out like a root file system, with the unpacked packages. */
  readonly root: string;
  /** The folder of the CNI plugins. */
  readonly cniPlugins: string;
  /**
   * An environment in which the machine's own programs come first and the unpacked
   * ones complete them, together with the shared libraries they need.
   */
  readonly env: NodeJS.ProcessEnv;
  /** The path of a program by its name. Throws if there is none. */
  find(program: string): Promise<string>;
}

/**
 * Makes sure that every program the test bed needs can be run, downloading what is missing.
 *
 * @throws Error that names what to do when not root, or not on Debian.
 */
export async function prepareTools(progress: Progress, signal?: AbortSignal): Promise<Tools> {
  if (process.getuid?.() !== 0) throw new Error('the test bed needs root: network namespaces, mounts and cgroups');
  for (const program of essentials) {
    if ((await findIn(process.env['PATH'] ?? '', program)) === undefined) {
      throw new Error(`${program} is not on this machine: the test bed runs on Debian and its kin`);
    }
  }
  const architecture = (await run(['dpkg', '--print-architecture'])).stdout.trim();
  const root = await cached({
    what: 'the Debian programs of the test bed',
    path: `debian/${keyOf('1', architecture, await release(), ...packages)}`,
    make: (target) => unpack(packages, target, progress, signal),
    progress,
    signal,
  });
  return toolsIn(root, architecture);
}

/** Downloads packages and what they depend on that this machine lacks, and unpacks them into `target`. */
export async function unpack(names: readonly string[], target: string, progress: Progress, signal?: AbortSignal): Promise<void> {
  const downloads = join(target, 'downloads');
  await mkdir(downloads, { recursive: true });
  progress('refreshing the package lists (apt-get update)');
  await run(['apt-get', 'update', '--quiet'], { timeoutMs: 300_000, signal });
  const simulated = await run(['apt-get', 'install', '--simulate', '--no-install-recommends', ...names], { signal });
  // "Inst name [installed version] (new version …": only those without an installed version are missing.
  const missing = [...simulated.stdout.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] ?? '');
  const wanted = [...new Set([...names, ...missing])];
  progress(`downloading ${wanted.length.toString()} packages into the cache folder (nothing gets installed)`);
  await run(['apt-get', 'download', '--quiet', '-o', 'APT::Sandbox::User=root', ...wanted], {
    cwd: downloads,
    timeoutMs: 600_000,
    signal,
  });
  for (const file of await readdir(downloads)) {
    await run(['dpkg-deb', '--extract', join(downloads, file), target], { signal });
  }
  await rm(downloads, { recursive: true });
  await linkIptables(target);
}

/** Debian makes these names by update-alternatives, at installation. */
async function linkIptables(root: string): Promise<void> {
  const sbin = join(root, 'usr/sbin');
  if (!(await exists(join(sbin, 'xtables-nft-multi')))) return;
  for (const family of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) {
      await symlink('xtables-nft-multi', join(sbin, `${family}${suffix}`));
    }
  }
}

async function toolsIn(root: string, architecture: string): Promise<Tools> {
  const path = process.env['PATH'] ?? '';
  const folders = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin'];
  // A minimal PATH (cron, systemd) may leave the sbin folders out.
  const system = ['/usr/local/sbin', '/usr/sbin', '/sbin'].filter((folder) => !path.split(delimiter).includes(folder));
  const complete = [path, ...system, ...folders.map((folder) => join(root, folder))].join(delimiter);
  const triplet = architecture === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraries = [join(root, 'usr/lib', triplet), join(root, 'lib', triplet)].join(delimiter);
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: complete };
  env['LD_LIBRARY_PATH'] = [process.env['LD_LIBRARY_PATH'], libraries].filter((part) => part).join(delimiter);
  const iptables = await findIn(complete, 'iptables');
  // Only the unpacked iptables looks for its extensions in the wrong place.
  if (iptables?.startsWith(root) === true) env['XTABLES_LIBDIR'] = join(root, 'usr/lib', triplet, 'xtables');
  return {
    root,
    cniPlugins: join(root, 'usr/lib/cni'),
    env,
    async find(program) {
      const found = await findIn(complete, program);
      if (found === undefined) throw new Error(`${program} is neither on this machine nor among the unpacked packages`);
      return found;
    },
  };
}

async function findIn(path: string, program: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder !== '' && (await exists(join(folder, program)))) return join(folder, program);
  }
  return undefined;
}

/** The distribution's release, as part of the key: another release has other libraries. */
async function release(): Promise<string> {
  const { stdout } = await run(['sh', '-c', '. /etc/os-release && echo "$ID $VERSION_ID"']);
  return stdout.trim();
}
