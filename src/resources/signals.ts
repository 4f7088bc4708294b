/** Eviction signals: how much is left of what a node can run out of (kubelet pkg/kubelet/eviction/helpers.go, pkg/kubelet/stats/pidlimit). */
import path from 'node:path';
import type { CgroupHierarchy } from './cgroups/hierarchy.ts';
import type { FilesystemFacts } from './filesystem.ts';
import { parseMemInfo, readText, type HostRoot } from './machine.ts';

export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** By signal name; a signal that cannot be read is absent. Bytes, inodes, or processes. */
export type Observations = ReadonlyMap<string, Observation>;

export interface SignalSources {
  /** File system of the root directory. */
  readonly nodeFs: () => Promise<FilesystemFacts | undefined>;
  /** File system of the images; `undefined` when the runtime does not say, or is away. */
  readonly imageFs: () => Promise<FilesystemFacts | undefined>;
  readonly hierarchy: CgroupHierarchy | undefined;
}

export async function readSignals(sources: SignalSources, { root }: HostRoot = { root: '/' }): Promise<Observations> {
  const observations = new Map<string, Observation>();
  const [memory, pids, nodeFs, imageFs] = await Promise.all([
    readMemory(sources.hierarchy, root),
    readPids(root),
    sources.nodeFs(),
    sources.imageFs(),
  ]);
  if (memory !== undefined) observations.set('memory.available', memory);
  if (pids !== undefined) observations.set('pid.available', pids);
  for (const [name, filesystem] of [
    ['nodefs', nodeFs],
    ['imagefs', imageFs],
    ['containerfs', imageFs],
  ] as const) {
    if (filesystem === undefined) continue;
    observations.set(`${name}.available`, { available: filesystem.availableBytes, capacity: filesystem.capacityBytes });
    // Some file systems (btrfs) count no inodes.
    if (filesystem.inodes > 0) observations.set(`${name}.inodesFree`, { available: filesystem.inodesFree, capacity: filesystem.inodes });
  }
  return observations;
}

/**
 * Capacity less the working set: use without the page cache that can be dropped at once. Read from the root cgroup as cadvisor
 * does; where that does not show the whole machine, from what the kernel itself calls available.
 */
async function readMemory(hierarchy: CgroupHierarchy | undefined, root: string): Promise<Observation | undefined> {
  const memInfo = await readText(path.join(root, 'proc/meminfo'));
  const capacity = parseMemInfo(memInfo, 'MemTotal');
  if (capacity === 0) return undefined;
  const workingSet = await rootWorkingSet(hierarchy, memInfo);
  return { available: Math.max(0, workingSet === undefined ? parseMemInfo(memInfo, 'MemAvailable') : capacity - workingSet), capacity };
}

async function rootWorkingSet(hierarchy: CgroupHierarchy | undefined, memInfo: string): Promise<number | undefined> {
  const mount = hierarchy?.controllers.get('memory');
  if (mount === undefined) return undefined;
  const stat = await readText(path.join(mount, 'memory.stat'));
  const inactive = statField(stat, hierarchy?.version === 1 ? 'total_inactive_file' : 'inactive_file');
  // The root of v2 has no memory.current: what is not free is used.
  const usage =
    hierarchy?.version === 1
      ? Number((await readText(path.join(mount, 'memory.usage_in_bytes'))).trim() || NaN)
      : parseMemInfo(memInfo, 'MemTotal') - parseMemInfo(memInfo, 'MemFree');
  return inactive === undefined || !Number.isFinite(usage) ? undefined : Math.max(0, usage - inactive);
}

function statField(stat: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1];
  return value === undefined ? undefined : Number(value);
}

async function readPids(root: string): Promise<Observation | undefined> {
  const limits = await Promise.all(['pid_max', 'threads-max'].map((name) => readText(path.join(root, 'proc/sys/kernel', name))));
  const capacity = Math.min(...limits.filter((text) => text.trim() !== '').map(Number));
  const running = /^\S+ \S+ \S+ \d+\/(\d+) /.exec(await readText(path.join(root, 'proc/loadavg')))?.[1];
  if (!Number.isFinite(capacity) || running === undefined) return undefined;
  return { available: Math.max(0, capacity - Number(running)), capacity };
}
