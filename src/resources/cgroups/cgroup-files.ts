/** Makes, changes and removes cgroups through their file systems. */
import { mkdir, rmdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { UnavailableError } from '../../lib/errors.ts';
import type { CgroupHierarchy } from './hierarchy.ts';
import { cgroupWrites, type CgroupLimits } from './limits.ts';

/** Of v1, those that carry a limit; the runtime makes the others itself. */
const LIMITING_V1 = ['cpu', 'memory', 'pids', 'hugetlb'];
/** Of v2, those that are passed down to children. */
const DELEGATED_V2 = ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids'];

/** The kernel frees a cgroup a moment after its last process is gone (opencontainers/cgroups utils.go RemovePath). */
const REMOVE_TRIES = 6;
const REMOVE_DELAY_MS = 10;

/** INVARIANT: `remove` touches nothing above the given path. */
export class CgroupFiles {
  readonly hierarchy: CgroupHierarchy;
  readonly #clock: Clock;

  constructor(hierarchy: CgroupHierarchy, clock: Clock) {
    this.hierarchy = hierarchy;
    this.#clock = clock;
  }

  /** Makes the cgroup with its parents and sets the limits. Idempotent. @throws UnavailableError naming the file */
  async ensure(cgroup: string, limits: CgroupLimits, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.hierarchy.version === 1) {
      const mounts = new Set(LIMITING_V1.flatMap((controller) => this.hierarchy.controllers.get(controller) ?? []));
      await Promise.all([...mounts].map((mount) => makeDirectory(path.join(mount, cgroup))));
    } else {
      await this.#makeUnified(cgroup);
    }
    await this.#write(cgroup, limits);
  }

  /** Sets limits of a cgroup that exists. @throws UnavailableError naming the file */
  async update(cgroup: string, limits: CgroupLimits, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#write(cgroup, limits);
  }

  /** Removes the cgroup and what is below it from every hierarchy; processes still in it are killed. Success when it is gone. */
  async remove(cgroup: string, signal: AbortSignal): Promise<void> {
    await Promise.all(this.hierarchy.mounts.map((mount) => this.#removeTree(path.join(mount, cgroup), signal)));
  }

  /** Removes the cgroup if there is nothing below it; else leaves it. */
  async removeIfEmpty(cgroup: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (const mount of this.hierarchy.mounts) await removeDirectory(path.join(mount, cgroup));
  }

  async #makeUnified(cgroup: string): Promise<void> {
    const root = this.hierarchy.mounts[0] ?? '/sys/fs/cgroup';
    const delegated = DELEGATED_V2.filter((controller) => this.hierarchy.controllers.has(controller));
    let current = root;
    for (const part of cgroup.split('/').filter(Boolean)) {
      // One at a time: a controller that cannot be passed down must not take the others with it.
      for (const controller of delegated)
        await writeFile(path.join(current, 'cgroup.subtree_control'), `+${controller}`).catch(ignoreUnsupported);
      current = path.join(current, part);
      await makeDirectory(current);
    }
  }

  async #write(cgroup: string, limits: CgroupLimits): Promise<void> {
    for (const { controller, file, value } of cgroupWrites(limits, this.hierarchy.version)) {
      const mount = this.hierarchy.controllers.get(controller);
      if (mount === undefined) continue; // said once at start by the capability probe
      const target = path.join(mount, cgroup, file);
      try {
        await writeFile(target, value);
      } catch (error) {
        if (hasCode(error, 'ENOENT') && controller === 'hugetlb') continue; // a page size that this kernel does not limit
        throw new UnavailableError(`cgroup limit ${value} cannot be written to ${target}`, { cause: error });
      }
    }
  }

  async #removeTree(directory: string, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      if (await removeBottomUp(directory)) return;
      if (attempt >= REMOVE_TRIES) throw new UnavailableError(`cgroup ${directory} cannot be removed: it is in use`);
      await killMembers(directory);
      await this.#clock.sleep(REMOVE_DELAY_MS * 2 ** (attempt - 1), signal);
    }
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new UnavailableError(`cgroup ${directory} cannot be made`, { cause: error });
  }
}

/** Answers whether the directory is gone. Only directories are removed: a cgroup's files go with it. */
async function removeBottomUp(directory: string): Promise<boolean> {
  for (const name of await subdirectories(directory)) await removeBottomUp(path.join(directory, name));
  return removeDirectory(directory);
}

async function removeDirectory(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true;
    if (hasCode(error, 'EBUSY') || hasCode(error, 'ENOTEMPTY')) return false;
    throw new UnavailableError(`cgroup ${directory} cannot be removed`, { cause: error });
  }
  return true;
}

async function subdirectories(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Ends what its runtime has left behind, as the kubelet does (pod_container_manager_linux.go tryKillingCgroupProcesses). */
async function killMembers(directory: string): Promise<void> {
  for (const name of await subdirectories(directory)) await killMembers(path.join(directory, name));
  const list = await readFile(path.join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
  for (const pid of list.split('\n').map(Number)) {
    if (pid <= 1 || !Number.isInteger(pid)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) throw error;
    }
  }
}

function ignoreUnsupported(error: unknown): void {
  if (!hasCode(error, 'EINVAL') && !hasCode(error, 'ENOENT') && !hasCode(error, 'EBUSY') && !hasCode(error, 'EOPNOTSUPP')) throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
