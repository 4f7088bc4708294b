/** Mounting on the host. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { abortable, withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { Batcher } from './batcher.ts';
import { parseMountInfo, type MountPoint } from './mount-info.ts';

export interface BindOptions {
  readonly readOnly?: boolean;
  /** More options for `mount -o`. */
  readonly options?: readonly string[];
  /** The source is a descriptor in /proc: it is taken as it is, without resolving links in it. */
  readonly noCanonicalize?: boolean;
}

/** Targets exist already. @throws DeadlineExceededError, or Error with the tool's output */
export interface Mounter {
  /** Whether this process may mount at all; found out once. Where it may not, callers use plain directories. */
  available(signal: AbortSignal): Promise<boolean>;
  /** Memory that is never swapped out, where the kernel can promise it. `sizeBytes` 0: the kernel's default, half of the memory. */
  tmpfs(target: string, sizeBytes: number, signal: AbortSignal): Promise<void>;
  /** `pageSize` as in resource names: `2Mi`, `1Gi`. */
  hugePages(target: string, pageSize: string, signal: AbortSignal): Promise<void>;
  bind(source: string, target: string, options: BindOptions, signal: AbortSignal): Promise<void>;
  /**
   * Unmounts in the order given. Callers share a call of the tool: an error says that some path of theirs or of others is still
   * mounted, and {@link list} which.
   */
  unmount(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Takes a mount out of sight at once, even when it is busy. */
  detach(path: string, signal: AbortSignal): Promise<void>;
  /** Every mount of this process's mount namespace, oldest first. */
  list(signal: AbortSignal): Promise<readonly MountPoint[]>;
}

/** A mount of a local file system takes milliseconds; a minute means that the kernel or a server behind it hangs. */
const TOOL_LIMIT_MS = 60_000;
/** Output of mount and umount that is kept for the error. */
const MAX_OUTPUT = 16 * 1024;
/** Processes at once: they wait for the kernel's one mount lock anyway. */
const PARALLEL_TOOLS = 4;
/** Paths for one umount; far below the length of a command line. */
const MAX_PATHS = 256;
/** Bit of CAP_SYS_ADMIN in CapEff. */
const CAP_SYS_ADMIN = 21n;

/** Runs the host's `mount` and `umount`, as the kubelet does (k8s.io/mount-utils). */
export function createHostMounter({ clock }: { readonly clock: Clock }): Mounter {
  let available: Promise<boolean> | undefined;
  let swapOption: Promise<readonly string[]> | undefined;
  const places = new Semaphore(PARALLEL_TOOLS);
  const run = (tool: 'mount' | 'umount', args: readonly string[], signal: AbortSignal): Promise<void> =>
    places.run(signal, () => runTool(clock, tool, args, signal));
  const shared = new AbortController().signal; // work for several callers: none of them can call it off, the deadline can
  const unmounts = new Batcher<string, void>(MAX_PATHS, (paths) => run('umount', paths, shared));
  const listings = new Batcher<never, readonly MountPoint[]>(MAX_PATHS, async () =>
    parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8')),
  );
  const mount = (source: string, target: string, flags: readonly string[], options: readonly string[], signal: AbortSignal) =>
    run('mount', [...flags, ...(options.length === 0 ? [] : ['-o', options.join(',')]), source, target], signal);
  return {
    available(signal) {
      available ??= mayMount();
      signal.throwIfAborted();
      return available;
    },
    async tmpfs(target, sizeBytes, signal) {
      swapOption ??= noSwapOption();
      const options = [...(sizeBytes > 0 ? [`size=${sizeBytes}`] : []), ...(await swapOption)];
      await mount('tmpfs', target, ['-t', 'tmpfs'], options, signal);
    },
    hugePages: (target, pageSize, signal) => mount('nodev', target, ['-t', 'hugetlbfs'], [`pagesize=${pageSize}`], signal),
    bind(source, target, { readOnly, options, noCanonicalize }, signal) {
      const flags = noCanonicalize === true ? ['--no-canonicalize'] : [];
      return mount(source, target, flags, ['bind', ...(readOnly === true ? ['ro'] : []), ...(options ?? [])], signal);
    },
    unmount: (paths, signal) => abortable(unmounts.add(paths), signal),
    detach: (path, signal) => run('umount', ['-l', path], signal),
    list: (signal) => abortable(listings.add([]), signal),
  };
}

async function mayMount(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** tmpfs knows `noswap` from Linux 6.4, outside user namespaces (kubelet pkg/kubelet/util/swap). */
async function noSwapOption(): Promise<readonly string[]> {
  const [major = 0, minor = 0] = release().split('.', 2).map(Number);
  const known = major > 6 || (major === 6 && minor >= 4);
  if (!known) return [];
  const initial = /^\s*0\s+0\s+4294967295\s*$/.test(await readFile('/proc/self/uid_map', 'utf8'));
  return initial ? ['noswap'] : [];
}

function runTool(clock: Clock, tool: 'mount' | 'umount', args: readonly string[], signal: AbortSignal): Promise<void> {
  return withDeadline(clock, tool, TOOL_LIMIT_MS, signal, async (inner) => {
    const child = spawn(tool, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      signal: inner,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (output.length < MAX_OUTPUT) output += chunk;
    });
    const [status, killedBy] = (await once(child, 'close')) as [number | null, string | null];
    if (status === 0) return;
    const end = status === null ? `signal ${killedBy}` : `exit status ${status}`;
    throw new Error(`${tool} failed: ${end}\nArguments: ${args.join(' ')}\nOutput: ${output.trim()}`);
  });
}
