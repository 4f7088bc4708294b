/** Mounting on the host. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { Semaphore } from '../lib/semaphore.ts';
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
  /** Unmounts in the order given. `lazy` detaches at once what is busy. What is not mounted is an error. */
  unmount(paths: readonly string[], options: { readonly lazy?: boolean }, signal: AbortSignal): Promise<void>;
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
    async unmount(paths, { lazy }, signal) {
      for (let start = 0; start < paths.length; start += MAX_PATHS) {
        await run('umount', [...(lazy === true ? ['-l'] : []), ...paths.slice(start, start + MAX_PATHS)], signal);
      }
    },
    async list(signal) {
      return parseMountInfo(await readFile('/proc/self/mountinfo', { encoding: 'utf8', signal }));
    },
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
  const run = (inner: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, LC_ALL: 'C' };
      execFile(tool, args, { signal: inner, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT, env }, (error, stdout, stderr) => {
        if (error === null) resolve();
        else if (inner.aborted) reject(inner.reason as Error);
        else {
          const status = typeof error.code === 'number' ? `exit status ${error.code}` : (error.code ?? error.signal ?? 'unknown');
          reject(new Error(`${tool} failed: ${status}\nArguments: ${args.join(' ')}\nOutput: ${`${stdout}${stderr}`.trim()}`));
        }
      });
    });
  return withDeadline(clock, tool, TOOL_LIMIT_MS, signal, run);
}
