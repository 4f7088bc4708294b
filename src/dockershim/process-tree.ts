import { readFile, readdir } from 'node:fs/promises';

/** More processes than one command in a container has; a fork bomb is left to the container's limits. */
const MAX_PROCESSES = 1_000;

/**
 * Kills a command of a container with everything it has started, by its process id on this machine: the engine has no call for it.
 * Does nothing when the process is gone, or is not of that container (its number has gone to somebody else).
 *
 * @throws Error when this process may not kill it
 */
export async function killProcessTree(pid: number, containerId: string): Promise<void> {
  if (pid <= 1 || !(await belongsTo(pid, containerId))) return;
  const tree = [pid];
  for (let at = 0; at < tree.length && tree.length < MAX_PROCESSES; at += 1) tree.push(...(await childrenOf(tree[at] ?? 0)));
  for (const process of tree) kill(process);
}

async function belongsTo(pid: number, containerId: string): Promise<boolean> {
  return (await read(`/proc/${String(pid)}/cgroup`)).includes(containerId);
}

async function childrenOf(pid: number): Promise<number[]> {
  let threads: string[];
  try {
    threads = await readdir(`/proc/${String(pid)}/task`);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
  const lists = await Promise.all(threads.map((thread) => read(`/proc/${String(pid)}/task/${thread}/children`)));
  return lists.flatMap((list) => list.split(' ').map(Number)).filter((child) => child > 1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}
