import { writeFile } from 'node:fs/promises';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { CniResult } from './cni-chain.ts';

/**
 * Lets frames leave through the bridge port by which they came, so that a pod reaches itself through a service (dockershim
 * network/hairpin). Interfaces that are no port of a bridge need nothing.
 */
export async function setHairpin(result: CniResult, logger: Logger): Promise<void> {
  for (const { name, sandbox } of result.interfaces) {
    if (sandbox !== '' || name.includes('/')) continue;
    try {
      await writeFile(`/sys/class/net/${name}/brport/hairpin_mode`, '1');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue;
      logger.warn('Cannot set hairpin mode', { interface: name, error: errorMessage(error) });
    }
  }
}
