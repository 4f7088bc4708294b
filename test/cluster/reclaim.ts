import { glob, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from './cache.ts';
import { readLedger, slotName, slotRunDir, type LedgerEntry } from './ledger.ts';
import type { Tools } from './prerequisites.ts';
import { findProcesses, killProcess, startTimeOf } from './processes.ts';
import { run } from './run.ts';
import { waitFor } from './wait.ts';

/** A killed process holds on to its mounts until the kernel has torn it down. */
const processEndTimeoutMs = 20_000;

/**
 * Removes everything of a slot that is on this machine: processes, mounts,
 * network links, cgroups, folders. Only for the holder of the slot's lock.
 *
 * @returns what it removed, a line each; nothing after an orderly stop.
 */
export async function reclaim(number: number, tools: Tools): Promise<string[]> {
  const removed: string[] = [];
  const ledger = await readLedger(number);
  removed.push(...(await endProcesses(number, ledger)));
  const folders = [slotRunDir(number), ...ledger.flatMap((entry) => (entry.kind === 'dir' ? [entry.path] : []))];
  removed.push(...(await unmountBelow(folders)));
  for (const entry of ledger) {
    if (entry.kind !== 'link' || !(await exists(`/sys/class/net/${entry.name}`))) continue;
    await run(['ip', 'link', 'delete', entry.name], { env: tools.env });
    removed.push(`network link ${entry.name}`);
  }
  for (const cgroup of await slotCgroups(number)) {
    await removeCgroup(cgroup);
    removed.push(`cgroup ${cgroup}`);
  }
  for (const socket of await shimSockets(number)) {
    if (!(await exists(socket))) continue;
    await rm(socket);
    removed.push(`socket ${socket}`);
  }
  for (const folder of folders) {
    if (!(await exists(folder))) continue;
    await rm(folder, { recursive: true, force: true });
    removed.push(`folder ${folder}`);
  }
  return removed;
}

/** Ends what the ledger names, what carries the slot's mark, and what runs in the slot's cgroups. */
async function endProcesses(number: number, ledger: readonly LedgerEntry[]): Promise<string[]> {
  const ended: string[] = [];
  for (const entry of ledger) {
    if (entry.kind !== 'process' || (await startTimeOf(entry.pid)) !== entry.startTime) continue;
    ended.push(`process ${entry.pid.toString()} (${entry.name})`);
    killProcess(entry.pid);
  }
  // Twice over: an engine's shim may have been about to start a container.
  await waitFor(
    `processes of test bed ${number.toString()} to end`,
    async () => {
      const left = await slotProcesses(number);
      for (const { pid, name } of left) {
        const line = `process ${pid.toString()} (${name})`;
        if (!ended.includes(line)) ended.push(line);
        killProcess(pid);
      }
      return left.length === 0;
    },
    { timeoutMs: processEndTimeoutMs, intervalMs: 50 },
  );
  return ended;
}

/** Processes that belong to a slot: by their environment's mark, or by the cgroup they run in. */
export async function slotProcesses(number: number): Promise<{ readonly pid: number; readonly name: string }[]> {
  const name = slotName(number);
  return findProcesses((facts) => facts.mark === name || facts.cgroups.some((path) => inSlot(path, name)));
}

/** The first component of the cgroup paths of a slot's nodes is `<slot>-<node>`. */
function inSlot(path: string, slot: string): boolean {
  return path.split('/')[1]?.startsWith(`${slot}-`) === true;
}

/** The top cgroups of a slot, in every hierarchy. */
export async function slotCgroups(number: number): Promise<string[]> {
  const top = '/sys/fs/cgroup';
  const names = await readdir(top).catch(() => []);
  const found: string[] = [];
  for (const folder of [top, ...names.map((name) => join(top, name))]) {
    const children = await readdir(folder).catch(() => []);
    found.push(...children.filter((child) => child.startsWith(`${slotName(number)}-`)).map((child) => join(folder, child)));
  }
  // cpu and cpu,cpuacct may be two names of one hierarchy: a second removal is a no-op.
  return found;
}

/**
 * The sockets of a slot's containerd shims. Their folder is compiled into
 * containerd and shared by all of a machine; the names are in each task's folder.
 */
export async function shimSockets(number: number): Promise<string[]> {
  const sockets: string[] = [];
  const pattern = join(slotRunDir(number), 'node*/*/io.containerd.runtime.v2.task/*/*/address');
  for await (const file of glob(pattern)) {
    const address = await readFile(file, 'utf8').catch(() => '');
    if (address.startsWith('unix://')) sockets.push(address.slice('unix://'.length).trim());
  }
  return sockets;
}

async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  await waitFor(
    `cgroup ${path} to be empty`,
    async () => {
      await rmdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      return true;
    },
    { timeoutMs: processEndTimeoutMs, intervalMs: 20 },
  );
}

/** Mount points below any of the folders, the innermost and latest first. */
export async function mountsBelow(folders: readonly string[]): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n');
  return lines
    .map((line) => unescape(line.split(' ')[4] ?? ''))
    .filter((point) => folders.some((folder) => point === folder || point.startsWith(`${folder}/`)))
    .reverse();
}

async function unmountBelow(folders: readonly string[]): Promise<string[]> {
  const points = await mountsBelow(folders);
  // Lazily: a mount namespace that is on its way out may still hold it for a moment.
  for (const point of points) await run(['umount', '--lazy', point], { anyExit: true });
  const left = await mountsBelow(folders);
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(', ')}`);
  return points.map((point) => `mount ${point}`);
}

/** The kernel writes blanks and the like as \040. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
