import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, exists } from './cache.ts';
import { slotName, slotRunDir } from './ledger.ts';
import { mountsBelow, slotCgroups, slotProcesses } from './reclaim.ts';

/**
 * What a test bed left on this machine, a line each; empty when all is gone.
 * Containers show up as their processes, mounts and cgroups: an engine of ours
 * that is gone cannot be asked. iptables rules and network namespaces live and
 * die with the namespace's mount.
 */
export async function leftovers(slot: number): Promise<string[]> {
  const name = slotName(slot);
  const folders = [slotRunDir(slot), join(cacheDir(), 'slots', slot.toString())];
  const found: string[] = [];
  for (const { pid, name: program } of await slotProcesses(slot)) found.push(`process ${pid.toString()} (${program})`);
  for (const point of await mountsBelow(folders)) found.push(`mount ${point}`);
  for (const path of await slotCgroups(slot)) found.push(`cgroup ${path}`);
  for (const link of await readdir('/sys/class/net')) {
    if (link === name || link.startsWith(`${name}n`)) found.push(`network link ${link}`);
  }
  for (const folder of folders) if (await exists(folder)) found.push(`folder ${folder}`);
  return found;
}
