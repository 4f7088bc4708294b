import { readFileSync } from 'node:fs';
import { kubeletVersion, programVersion } from '../lib/version.ts';
import type { Output } from './program.ts';

/** `shorelet version`, and with `--memory` what a running agent's code costs in memory. */
export async function printVersion(options: { readonly memory?: boolean }, output: Output): Promise<void> {
  output.out(`shorelet ${programVersion()} (kubelet ${kubeletVersion()}, Node ${process.version})\n`);
  if (options.memory !== true) return;
  await import('../agent.ts');
  for (const [name, megabytes] of Object.entries(processMemory(readFileSync('/proc/self/status', 'utf8')))) {
    output.out(`${name}: ${megabytes} MB\n`);
  }
}

/** Megabytes (10⁶ bytes) of memory of a process from its /proc status. */
export function processMemory(status: string): { readonly anonymous: number; readonly resident: number } {
  const field = (name: string): number =>
    Math.round((Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6);
  return { anonymous: field('RssAnon'), resident: field('VmRSS') };
}
