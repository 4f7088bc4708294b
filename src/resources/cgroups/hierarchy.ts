/** Where cgroups are mounted, and which controllers there are. */
import path from 'node:path';
import { readText } from '../machine.ts';

export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** Mount point of each controller that can be used; with v2 all are the same. */
  readonly controllers: ReadonlyMap<string, string>;
  /** Every mount point, those without such a controller too (`name=systemd`): a removed cgroup must go from each. */
  readonly mounts: readonly string[];
}

/** Reads the hierarchy from /proc/self/mounts. `undefined` when no cgroups are mounted. */
export async function readHierarchy(root = '/'): Promise<CgroupHierarchy | undefined> {
  const mounts = parseCgroupMounts(await readText(path.join(root, 'proc/self/mounts')));
  const unified = mounts.find(({ type, mountPoint }) => type === 'cgroup2' && mountPoint === '/sys/fs/cgroup');
  if (unified !== undefined) {
    const mountPoint = path.join(root, unified.mountPoint);
    const names = (await readText(path.join(mountPoint, 'cgroup.controllers'))).trim().split(/\s+/).filter(Boolean);
    return { version: 2, controllers: new Map(names.map((name) => [name, mountPoint])), mounts: [mountPoint] };
  }
  const controllers = new Map<string, string>();
  // Shortest first, so that a second mount of a controller elsewhere does not hide the usual one.
  const ordered = [...mounts].sort((a, b) => a.mountPoint.length - b.mountPoint.length);
  for (const { type, mountPoint, options } of ordered) {
    if (type !== 'cgroup') continue;
    for (const option of options)
      if (V1_CONTROLLERS.has(option) && !controllers.has(option)) controllers.set(option, path.join(root, mountPoint));
  }
  if (controllers.size === 0) return undefined;
  return { version: 1, controllers, mounts: [...new Set(ordered.map(({ mountPoint }) => path.join(root, mountPoint)))] };
}

const V1_CONTROLLERS = new Set([
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'hugetlb',
  'devices',
  'freezer',
  'blkio',
  'net_cls',
  'net_prio',
  'perf_event',
  'rdma',
  'misc',
]);

interface CgroupMount {
  readonly type: 'cgroup' | 'cgroup2';
  readonly mountPoint: string;
  readonly options: readonly string[];
}

/** The cgroup file systems of a mount table. */
export function parseCgroupMounts(table: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of table.split('\n')) {
    const [, mountPoint = '', type = '', options = ''] = line.split(' ');
    if (type === 'cgroup' || type === 'cgroup2') mounts.push({ type, mountPoint, options: options.split(',') });
  }
  return mounts;
}
