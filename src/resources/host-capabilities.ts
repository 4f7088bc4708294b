/** What this host lets the agent do, probed once at start. Nothing here fails: what is missing becomes a limitation. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import type { CgroupHierarchy } from './cgroups/hierarchy.ts';
import { readText, type HostRoot } from './machine.ts';

export interface HostCapabilities {
  readonly root: boolean;
  /** CAP_SYS_ADMIN: mounts. */
  readonly mount: boolean;
  /** CAP_NET_ADMIN: network namespaces, host ports by iptables. */
  readonly netAdmin: boolean;
  /** CAP_SYS_RESOURCE. */
  readonly sysResource: boolean;
  /** Least oom_score_adj that may be set: -1000 with CAP_SYS_RESOURCE, else the agent's own. */
  readonly oomScoreAdjFloor: number;
  /** systemd runs as the machine's init. */
  readonly systemd: boolean;
  /** Pod cgroups can be made. */
  readonly cgroupsWritable: boolean;
  /** 0: none mounted. */
  readonly cgroupVersion: 0 | 1 | 2;
  readonly missingControllers: readonly string[];
  /** Swap can be limited per cgroup. */
  readonly swapController: boolean;
  readonly inUserNamespace: boolean;
  /** A sentence for each thing that will be done in another way: log each once, and set them on the node. */
  readonly limitations: readonly string[];
}

/** Bits of /proc/self/status CapEff (linux/capability.h). */
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const CAP_SYS_RESOURCE = 24n;
/** Controllers whose limits a pod can ask for. */
const WANTED_CONTROLLERS = ['cpu', 'memory', 'pids'];
const WHOLE_UID_RANGE = /^\s*0\s+0\s+4294967295\s*$/m;

export async function probeHost(
  hierarchy: CgroupHierarchy | undefined,
  uid: number,
  { root }: HostRoot = { root: '/' },
): Promise<HostCapabilities> {
  const read = (file: string): Promise<string> => readText(path.join(root, file));
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(await read('proc/self/status'))?.[1] ?? '0'}`);
  const has = (bit: bigint): boolean => ((effective >> bit) & 1n) === 1n;
  const uidMap = await read('proc/self/uid_map');
  const facts = {
    root: uid === 0,
    mount: has(CAP_SYS_ADMIN),
    netAdmin: has(CAP_NET_ADMIN),
    sysResource: has(CAP_SYS_RESOURCE),
    oomScoreAdjFloor: has(CAP_SYS_RESOURCE) ? -1000 : Number((await read('proc/self/oom_score_adj')).trim() || 0),
    systemd: await isWritableOrReadable(path.join(root, 'run/systemd/system'), constants.R_OK),
    cgroupsWritable: await cgroupsWritable(hierarchy),
    cgroupVersion: hierarchy?.version ?? (0 as const),
    missingControllers: WANTED_CONTROLLERS.filter((controller) => !hierarchy?.controllers.has(controller)),
    swapController: await hasSwapController(hierarchy, await read('proc/self/cgroup')),
    inUserNamespace: uidMap !== '' && !WHOLE_UID_RANGE.test(uidMap),
  };
  return { ...facts, limitations: limitationsOf(facts) };
}

function limitationsOf(facts: Omit<HostCapabilities, 'limitations'>): string[] {
  const limitations: string[] = [];
  if (!facts.sysResource) {
    limitations.push(`Without CAP_SYS_RESOURCE containers get an oom_score_adj of at least ${facts.oomScoreAdjFloor}`);
  }
  if (!facts.mount) limitations.push('Without CAP_SYS_ADMIN nothing can be mounted: in-memory volumes are plain directories');
  if (facts.cgroupVersion === 0) limitations.push('No cgroups are mounted: pods have no cgroups of their own');
  else if (!facts.cgroupsWritable)
    limitations.push('Cgroups cannot be written: pods have no cgroups of their own, only containers are limited');
  else if (facts.missingControllers.length > 0) {
    limitations.push(`Cgroup controllers are missing (${facts.missingControllers.join(', ')}): these limits are not enforced on pods`);
  }
  return limitations;
}

/** Each hierarchy that a pod's limits are written to can be written. */
async function cgroupsWritable(hierarchy: CgroupHierarchy | undefined): Promise<boolean> {
  const mounts = new Set(WANTED_CONTROLLERS.flatMap((controller) => hierarchy?.controllers.get(controller) ?? []));
  if (mounts.size === 0) return false;
  const writable = await Promise.all([...mounts].map((mount) => isWritableOrReadable(mount, constants.W_OK)));
  return writable.every(Boolean);
}

/** kubelet pkg/kubelet/kuberuntime/kuberuntime_container_linux.go checkSwapControllerAvailability. */
async function hasSwapController(hierarchy: CgroupHierarchy | undefined, ownCgroups: string): Promise<boolean> {
  const mount = hierarchy?.controllers.get('memory');
  if (mount === undefined) return false;
  if (hierarchy?.version === 1) return isWritableOrReadable(path.join(mount, 'memory.memsw.limit_in_bytes'), constants.R_OK);
  const own = /^0::(.*)$/m.exec(ownCgroups)?.[1] ?? '/';
  return isWritableOrReadable(path.join(mount, own, 'memory.swap.max'), constants.R_OK);
}

async function isWritableOrReadable(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}
