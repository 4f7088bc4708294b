import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Logger } from '../lib/log.ts';
import type { CniResult } from './cni-chain.ts';

/** Prints the rules of a chain of iptables' filter table, `iptables --list-rules` style. */
export type ListRules = (chain: string) => Promise<string>;

const execute = promisify(execFile);
const IPTABLES_WAIT_SECONDS = '5';

export const listRulesWithIptables: ListRules = async (chain) =>
  (await execute('iptables', ['--wait', IPTABLES_WAIT_SECONDS, '--list-rules', chain])).stdout;

/**
 * Says once a bridge that packets between its pods die: Docker makes DROP the policy of forwarding, and does not know bridges of
 * others. Traffic from the host works all the same, which hides the fault. Only a look: whose rules they are is the owner's affair.
 */
export class ForwardPolicyWatch {
  readonly #listRules: ListRules;
  readonly #logger: Logger;
  readonly #isBridge: (name: string) => boolean;
  readonly #seen = new Set<string>();

  constructor(listRules: ListRules, logger: Logger, isBridge: (name: string) => boolean = isBridgeHere) {
    this.#listRules = listRules;
    this.#logger = logger;
    this.#isBridge = isBridge;
  }

  /** To be told of every network that was set up. */
  async look(result: CniResult): Promise<void> {
    for (const { name, sandbox } of result.interfaces) {
      if (sandbox !== '' || this.#seen.has(name) || !this.#isBridge(name)) continue;
      this.#seen.add(name);
      if (await this.#drops(name)) {
        this.#logger.warn('Forwarded packets are dropped by default: pods on this bridge do not reach one another', {
          bridge: name,
          remedy: `iptables -I DOCKER-USER -i ${name} -j ACCEPT; iptables -I DOCKER-USER -o ${name} -j ACCEPT`,
        });
      }
    }
  }

  async #drops(bridge: string): Promise<boolean> {
    const [forward, user] = await Promise.all(['FORWARD', 'DOCKER-USER'].map((chain) => this.#rules(chain)));
    if (forward === undefined || !forward.includes('-P FORWARD DROP')) return false;
    // Rules of the bridge's own, or of the CNI firewall plugin, which accepts pods by their addresses.
    const accepted = new RegExp(`-[io] ${bridge.replace(/[.+*]/g, '\\$&')} .*-j ACCEPT|-j CNI-FORWARD`);
    return !accepted.test(`${forward}\n${user ?? ''}`);
  }

  /** `undefined` when there is no iptables, or no such chain. */
  async #rules(chain: string): Promise<string | undefined> {
    try {
      return await this.#listRules(chain);
    } catch (error) {
      this.#logger.debug('Cannot list the rules of iptables', { chain, error });
      return undefined;
    }
  }
}

function isBridgeHere(name: string): boolean {
  return !name.includes('/') && existsSync(`/sys/class/net/${name}/bridge`);
}
