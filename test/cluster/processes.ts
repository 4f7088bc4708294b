import { readdir, readFile } from 'node:fs/promises';
import { processMark } from './ledger.ts';

/** When a process started, in the kernel's ticks: with the pid it names one process for ever. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid.toString()}/stat`, 'utf8').catch(() => undefined);
  // The second field is the name in parentheses and may hold anything; start time is the 22nd.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended: only its parent has not noticed.
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

/** SIGKILL to a process that may be gone already. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** What {@link findProcesses} tells its predicate. */
export interface ProcessFacts {
  readonly pid: number;
  /** The slot's name from the environment, if the process carries one. */
  readonly mark: string | undefined;
  /** Its paths in the cgroup hierarchies. */
  readonly cgroups: readonly string[];
}

/** The living processes of this machine for which `wanted` holds, other than this one. */
export async function findProcesses(wanted: (facts: ProcessFacts) => boolean): Promise<{ readonly pid: number; readonly name: string }[]> {
  const found: { pid: number; name: string }[] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid || (await startTimeOf(pid)) === undefined) continue;
    const read = (file: string): Promise<string> => readFile(`/proc/${entry}/${file}`, 'utf8').catch(() => '');
    const mark = (await read('environ')).split('\0').find((line) => line.startsWith(`${processMark}=`));
    const cgroups = (await read('cgroup')).split('\n').map((line) => line.split(':').slice(2).join(':'));
    if (!wanted({ pid, mark: mark?.slice(processMark.length + 1), cgroups })) continue;
    found.push({ pid, name: (await read('comm')).trim() });
  }
  return found;
}
