/** Mounting on the host. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
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
  /**
   * Every mount of this process's mount namespace, oldest first, then those that are under way: also of callers that gave up, as
   * long as the tool has not ended.
   */
  list(signal: AbortSignal): Promise<readonly MountPoint[]>;
}

/** A mount of a local file system takes milliseconds; a minute means that the kernel or a server behind it hangs. */
const TOOL_LIMIT_MS = 60_000;
/** After SIGKILL a process ends at once, unless the kernel holds it. */
const KILL_LIMIT_MS = 5000;
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
  const underWay = new Set<MountPoint>();
  const run = (tool: Tool, args: readonly string[], signal: AbortSignal): Promise<void> =>
    places.run(signal, () => finish(clock, tool, args, start(tool, args), signal));
  const shared = new AbortController().signal; // work for several callers: none of them can call it off, the deadline can
  const unmounts = new Batcher<string, void>(MAX_PATHS, (paths) => run('umount', paths, shared));
  const listings = new Batcher<never, readonly MountPoint[]>(MAX_PATHS, async () => {
    const unfinished = [...underWay]; // before reading: what ends meanwhile is in one of the two
    return [...parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8')), ...unfinished];
  });
  const mount = (
    source: string,
    target: string,
    fsType: string,
    flags: readonly string[],
    options: readonly string[],
    signal: AbortSignal,
  ) =>
    places.run(signal, async () => {
      const args = [...flags, ...(options.length === 0 ? [] : ['-o', options.join(',')]), source, target];
      const point = { path: await realpath(target), fsType };
      underWay.add(point);
      const running = start('mount', args);
      void running.ended.then(() => underWay.delete(point));
      await finish(clock, 'mount', args, running, signal);
    });
  return {
    available(signal) {
      available ??= mayMount();
      signal.throwIfAborted();
      return available;
    },
    async tmpfs(target, sizeBytes, signal) {
      swapOption ??= noSwapOption();
      const options = [...(sizeBytes > 0 ? [`size=${sizeBytes}`] : []), ...(await swapOption)];
      await mount('tmpfs', target, 'tmpfs', ['-t', 'tmpfs'], options, signal);
    },
    hugePages: (target, pageSize, signal) => mount('nodev', target, 'hugetlbfs', ['-t', 'hugetlbfs'], [`pagesize=${pageSize}`], signal),
    bind(source, target, { readOnly, options, noCanonicalize }, signal) {
      const flags = noCanonicalize === true ? ['--no-canonicalize'] : [];
      return mount(source, target, 'bind', flags, ['bind', ...(readOnly === true ? ['ro'] : []), ...(options ?? [])], signal);
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

type Tool = 'mount' | 'umount';

interface RunningTool {
  readonly child: ChildProcess;
  /** Never rejects. */
  readonly ended: Promise<{ readonly problem: string | undefined }>;
  readonly output: () => string;
}

function start(tool: Tool, args: readonly string[]): RunningTool {
  const child = spawn(tool, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (output.length < MAX_OUTPUT) output += chunk;
  });
  const { promise: ended, resolve } = Promise.withResolvers<{ readonly problem: string | undefined }>();
  child.on('error', (error) => resolve({ problem: error.message }));
  child.on('close', (status, signal) => {
    resolve({ problem: status === 0 ? undefined : status === null ? `signal ${signal}` : `exit status ${status}` });
  });
  return { child, ended, output: () => output.trim() };
}

/** Whoever gives up does not leave before the tool has ended, if it can be ended: it may be using the caller's descriptors. */
async function finish(clock: Clock, tool: Tool, args: readonly string[], running: RunningTool, signal: AbortSignal): Promise<void> {
  const { problem } = await withDeadline(clock, tool, TOOL_LIMIT_MS, signal, () => running.ended).catch(async (error: unknown) => {
    running.child.kill('SIGKILL');
    await Promise.race([running.ended, clock.sleep(KILL_LIMIT_MS)]);
    throw error;
  });
  if (problem !== undefined) throw new Error(`${tool} failed: ${problem}\nArguments: ${args.join(' ')}\nOutput: ${running.output()}`);
}
