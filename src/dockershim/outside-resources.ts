import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FailedPreconditionError } from '../lib/errors.ts';
import type { HugepageLimit, LinuxContainerResources, StringMap } from '../runtime/types.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';

/** What containers may be given but the engine has no field for: written into the container's cgroup after its start. */
export interface OutsideResources {
  readonly hugepageLimits: readonly HugepageLimit[];
  /** cgroup v2 files. */
  readonly unified: StringMap;
}

/** `undefined` when there is nothing of the kind. */
export function outsideResources(resources: LinuxContainerResources | undefined): OutsideResources | undefined {
  const hugepageLimits = resources?.hugepageLimits ?? [];
  const unified = resources?.unified ?? {};
  return hugepageLimits.length === 0 && Object.keys(unified).length === 0 ? undefined : { hugepageLimits, unified };
}

/**
 * Writes them into the cgroup of a process on this machine; does nothing when the process has ended. A limit of 0 huge pages that cannot
 * be written is no matter: without the controller there are none to be had.
 *
 * @throws FailedPreconditionError naming the resource that this machine cannot limit
 */
export async function writeOutsideResources(pid: number, resources: OutsideResources): Promise<void> {
  const cgroups = await cgroupsOf(pid);
  if (cgroups === undefined) return;
  try {
    await writeInto(cgroups, resources);
  } catch (error) {
    // Its cgroup goes with it.
    if ((await cgroupsOf(pid)) !== undefined) throw error;
  }
}

async function writeInto(cgroups: ReadonlyMap<string, string>, resources: OutsideResources): Promise<void> {
  for (const { pageSize, limit } of resources.hugepageLimits) {
    const v1 = cgroups.get('hugetlb');
    const file =
      v1 === undefined
        ? path.join(CGROUP_ROOT, cgroups.get('') ?? '', `hugetlb.${pageSize}.max`)
        : path.join(CGROUP_ROOT, 'hugetlb', v1, `hugetlb.${pageSize}.limit_in_bytes`);
    try {
      await writeFile(file, limit.toString());
    } catch (error) {
      if (limit > 0n) throw new FailedPreconditionError(`hugepageLimits: cannot limit huge pages of ${pageSize} here`, { cause: error });
    }
  }
  for (const [name, value] of Object.entries(resources.unified)) {
    const directory = cgroups.get('');
    if (directory === undefined || path.basename(name) !== name) {
      throw new FailedPreconditionError(`unified: ${name} needs cgroup v2`);
    }
    try {
      await writeFile(path.join(CGROUP_ROOT, directory, name), value);
    } catch (error) {
      throw new FailedPreconditionError(`unified: cannot write ${name}`, { cause: error });
    }
  }
}

/** `undefined` when the process has ended: a command may be over before its container's start is answered. */
async function cgroupsOf(pid: number): Promise<Map<string, string> | undefined> {
  try {
    return parseCgroups(await readFile(`/proc/${String(pid)}/cgroup`, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined;
    throw error;
  }
}

/** Cgroup paths by controller, out of /proc/<pid>/cgroup; that of cgroup v2 under the empty name. */
export function parseCgroups(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, ...rest] = line.split(':');
    if (controllers === undefined) continue;
    for (const controller of controllers.split(',')) paths.set(controller, rest.join(':'));
  }
  return paths;
}
