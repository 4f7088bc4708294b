import { readFile } from 'node:fs/promises';

/** include/uapi/linux/capability.h */
const CAP_SYS_RESOURCE = 24n;
const LOWEST = -1000;

/**
 * The lowest oom_score_adj that containers can be given here: a machine without CAP_SYS_RESOURCE lets nobody go below what they
 * have, and a container that asks for it does not start. The agent's own floor stands for the engine's, which cannot be asked.
 */
export async function probeOomScoreFloor(): Promise<number> {
  try {
    const status = await readFile('/proc/self/status', 'utf8');
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
    if (((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) === 1n) return LOWEST;
    return Number((await readFile('/proc/self/oom_score_adj', 'utf8')).trim());
  } catch (error) {
    if (error instanceof Error && 'code' in error) return 0; // no /proc: ask for nothing special
    throw error;
  }
}
