import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';

/**
 * include/uapi/linux/capability.h, in the order of the numbers, up to AUDIT_READ: later ones are unknown to older kernels and engines, where
 * their absence is no limit of the machine.
 */
const CAPABILITIES =
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK
IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ`.split(/\s+/);
const LOWEST_OOM_SCORE_ADJ = -1000;
/** What the engine leaves out of a privileged container's /dev (runc libcontainer/devices GetDevices). */
const SKIPPED_DEVICES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console']);
/** Nodes below /dev of a large machine; more would make the request too large. */
const MAX_DEVICES = 1_000;

/** What the machine of the engine allows. */
export interface EngineHost {
  /** Capabilities that nobody can be given there, without `CAP_`; usually none. */
  readonly withheld: readonly string[];
  /** The lowest oom_score_adj that a container can be given: without CAP_SYS_RESOURCE nobody goes below what the engine has. */
  readonly oomScoreFloor: number;
}

/** For an engine whose machine cannot be looked at. */
export const UNLIMITED_HOST: EngineHost = { withheld: [], oomScoreFloor: LOWEST_OOM_SCORE_ADJ };

/**
 * Looks at the engine's process, or at this one where that cannot be seen. A container that asks for more than its engine may give does
 * not start at all.
 */
export async function probeEngineHost(procDirectory = '/proc'): Promise<EngineHost> {
  try {
    const engine = path.join(procDirectory, await engineProcess(procDirectory));
    const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(await readFile(path.join(engine, 'status'), 'utf8'))?.[1];
    if (bounding === undefined) return UNLIMITED_HOST;
    const bits = BigInt(`0x${bounding}`);
    const withheld = CAPABILITIES.filter((_, number) => ((bits >> BigInt(number)) & 1n) === 0n);
    const own = Number((await readFile(path.join(engine, 'oom_score_adj'), 'utf8')).trim());
    return { withheld, oomScoreFloor: withheld.includes('SYS_RESOURCE') ? own : LOWEST_OOM_SCORE_ADJ };
  } catch (error) {
    if (error instanceof Error && 'code' in error) return UNLIMITED_HOST; // no /proc, or the process has just ended
    throw error;
  }
}

/** Device nodes of this machine, as a privileged container gets them. */
export async function hostDevices(directory = '/dev'): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (SKIPPED_DEVICES.has(entry.name) || found.length >= MAX_DEVICES) continue;
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) found.push(...(await hostDevices(file)));
    else if (entry.isBlockDevice() || entry.isCharacterDevice()) found.push(file);
  }
  return found;
}

async function engineProcess(procDirectory: string): Promise<string> {
  for (const name of await readdir(procDirectory)) {
    if (/^\d+$/.test(name) && (await isEngine(path.join(procDirectory, name)))) return name;
  }
  return 'self';
}

async function isEngine(directory: string): Promise<boolean> {
  try {
    return (await readFile(path.join(directory, 'comm'), 'utf8')).trim() === 'dockerd';
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false; // it has ended meanwhile
    throw error;
  }
}
