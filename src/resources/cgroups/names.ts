/** Names of cgroups in both drivers' notation (kubelet pkg/kubelet/cm/cgroup_manager_linux.go). */

export type CgroupDriverName = 'cgroupfs' | 'systemd';

/** A cgroup by its components: `['kubepods', 'burstable', 'pod<uid>']`. The root has none. */
export type CgroupName = readonly string[];

const SLICE = '.slice';

/** `/a/b`, `/`, or nothing, as configured. */
export function parseCgroupPath(path: string): CgroupName {
  return path.split('/').filter((part) => part !== '');
}

/**
 * The cgroup's path below a hierarchy: `/kubepods/burstable/pod<uid>`, or with systemd
 * `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_with_underscores>.slice`.
 */
export function cgroupPath(name: CgroupName, driver: CgroupDriverName): string {
  if (driver === 'cgroupfs') return `/${name.join('/')}`;
  return `/${name.map((_, index) => sliceName(name.slice(0, index + 1))).join('/')}`;
}

/** What the runtime is given as a parent: the path, or the slice's name. Empty for the root: the engine's own default. */
export function cgroupParent(name: CgroupName, driver: CgroupDriverName): string {
  if (name.length === 0) return '';
  return driver === 'cgroupfs' ? cgroupPath(name, driver) : sliceName(name);
}

/** A dash separates levels in a slice's name, so those inside a component become underscores. */
export function sliceName(name: CgroupName): string {
  return name.length === 0 ? `-${SLICE}` : `${name.map((part) => part.replaceAll('-', '_')).join('-')}${SLICE}`;
}
