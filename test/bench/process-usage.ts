import { readdir, readFile } from 'node:fs/promises';
import { run } from '../cluster/run.ts';

/** What processes hold and have used. */
export interface ProcessUsage {
  /** User and system time since they started, in seconds; children that have ended included. */
  readonly cpuSeconds: number;
  /** VmRSS, in bytes. */
  readonly residentBytes: number;
  /** RssAnon, in bytes. */
  readonly anonymousBytes: number;
}

/** The kernel's unit of CPU time in /proc: ticks a second. */
export async function clockTicks(): Promise<number> {
  return Number((await run(['getconf', 'CLK_TCK'])).stdout);
}

/**
 * Adds up a process and all its living descendants. A child that ends between
 * two calls moves into its parent's account, so that differences stay true.
 */
export async function familyUsage(pid: number, ticksPerSecond: number): Promise<ProcessUsage> {
  const table = await processTable();
  const family = new Set([pid]);
  // Parents may stand behind their children in the table: until nothing is added.
  for (let before = 0; before !== family.size;) {
    before = family.size;
    for (const entry of table) if (family.has(entry.parent)) family.add(entry.pid);
  }
  return processUsage([...family], ticksPerSecond);
}

/** Adds up these processes alone. One that is gone counts as nothing. */
export async function processUsage(pids: readonly number[], ticksPerSecond: number): Promise<ProcessUsage> {
  let ticks = 0;
  let residentBytes = 0;
  let anonymousBytes = 0;
  for (const pid of pids) {
    ticks += (await processEntry(pid))?.ticks ?? 0;
    const status = await readFile(`/proc/${pid.toString()}/status`, 'utf8').catch(() => '');
    residentBytes += kilobytes(status, 'VmRSS') * 1024;
    anonymousBytes += kilobytes(status, 'RssAnon') * 1024;
  }
  return { cpuSeconds: ticks / ticksPerSecond, residentBytes, anonymousBytes };
}

interface TableEntry {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

async function processTable(): Promise<TableEntry[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const entries = await Promise.all(pids.map(processEntry));
  return entries.filter((entry) => entry !== undefined);
}

async function processEntry(pid: number): Promise<TableEntry | undefined> {
  const stat = await readFile(`/proc/${pid.toString()}/stat`, 'utf8').catch(() => '');
  // After the name, which stands in parentheses and may hold anything: state, ppid, …; utime to cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 20) return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid, parent: Number(fields[1]), ticks };
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}
