import { rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { FailedPreconditionError, InvalidInputError, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { writeFileAtomic } from '../store/atomic-file.ts';
import { addChain, addressesOf, checkChain, cniResultSchema, delChain, type CniAttachment, type CniResult } from './cni-chain.ts';
import { cniNetworkListSchema, loadCniConfiguration, type CniNetworkList } from './cni-config.ts';
import { findPlugin, type CniRunner } from './cni-plugin.ts';
import { watchDirectory } from './directory-watch.ts';
import { ForwardPolicyWatch, type ListRules } from './forward-policy.ts';
import { setHairpin } from './hairpin.ts';
import type { NetworkReadiness, SandboxNetwork, SandboxNetworkRequest, SandboxNetworkState } from './sandbox-network.ts';

/** The network plugin's part of the configuration. */
export interface CniSettings {
  readonly binDirs: readonly string[];
  readonly confDir: string;
  readonly cacheDir: string;
  /** `hairpin-veth`: a pod may reach itself through a service; set on host ends of bridged interfaces. */
  readonly hairpinMode: 'hairpin-veth' | 'none';
}

export const CNI_DEFAULTS = {
  binDirs: ['/opt/cni/bin'],
  confDir: '/etc/cni/net.d',
  cacheDir: '/var/lib/cni/cache',
  hairpinMode: 'none',
} as const satisfies CniSettings;

export interface CniDependencies {
  readonly run: CniRunner;
  readonly logger: Logger;
  /** How rules of iptables are read, for a warning about dropped packets. Absent: nobody looks. */
  readonly listRules?: ListRules;
}

/** The interface that plugins make in a sandbox. */
const IF_NAME = 'eth0';
const INGRESS = 'kubernetes.io/ingress-bandwidth';
const EGRESS = 'kubernetes.io/egress-bandwidth';
/** Of a rate that is given without a burst: 2 Gbit, which limits nothing (cri-dockerd network/cni/cni.go). */
const BURST_BITS = 2 ** 31 - 1;

/** What a sandbox's checkpoint remembers: the list may have been replaced when the sandbox goes. */
const details = z.object({ network: cniNetworkListSchema, result: cniResultSchema, capabilityArgs: z.record(z.string(), z.unknown()) });

/**
 * CNI as the sandboxes' network.
 *
 * INVARIANTS
 * 1. What a failed ADD has made is taken down before its failure is told.
 * 2. A network is taken down by the list that set it up, with its result, even if the configuration has changed since.
 * 3. Readiness follows the configuration directory.
 */
export class CniNetwork implements SandboxNetwork {
  readonly mode = 'none';
  readonly #settings: CniSettings;
  readonly #dependencies: CniDependencies;
  #network: CniNetworkList | undefined;
  #readiness: NetworkReadiness = notReady('the configuration has not been read yet');
  #podCidr = '';
  #stopWatching: (() => void) | undefined;
  readonly #forwarding: ForwardPolicyWatch | undefined;

  constructor(settings: CniSettings, dependencies: CniDependencies) {
    this.#settings = settings;
    this.#dependencies = dependencies;
    const { listRules, logger } = dependencies;
    this.#forwarding = listRules === undefined ? undefined : new ForwardPolicyWatch(listRules, logger);
  }

  async start(): Promise<void> {
    await this.#load();
    this.#stopWatching = watchDirectory(this.#settings.confDir, () => this.#load(), this.#dependencies.logger);
  }

  stop(): Promise<void> {
    this.#stopWatching?.();
    return Promise.resolve();
  }

  readiness(): NetworkReadiness {
    return this.#readiness;
  }

  updatePodCidr(podCidr: string): void {
    this.#podCidr = podCidr;
  }

  async setUp(request: SandboxNetworkRequest, signal: AbortSignal): Promise<SandboxNetworkState> {
    const network = this.#network;
    if (network === undefined) throw new FailedPreconditionError(this.#readiness.ready ? '' : this.#readiness.message);
    const attachment = attachmentOf(request, capabilityArgs(request, this.#podCidr));
    const { run } = this.#dependencies;
    let result: CniResult;
    try {
      result = await addChain(network, attachment, run, signal);
    } catch (error) {
      await this.#undo(network, attachment);
      throw error;
    }
    if (this.#settings.hairpinMode === 'hairpin-veth') await setHairpin(result, this.#dependencies.logger);
    await this.#cache(network, attachment, result);
    await this.#forwarding?.look(result);
    const kept: z.output<typeof details> = { network, result, capabilityArgs: { ...attachment.capabilityArgs } };
    return { ips: addressesOf(result, IF_NAME), details: kept };
  }

  async tearDown(request: SandboxNetworkRequest, state: SandboxNetworkState | undefined, signal: AbortSignal): Promise<void> {
    const known = details.safeParse(state?.details);
    const attachment = attachmentOf(request, known.success ? known.data.capabilityArgs : portMappingArgs(request));
    const network = known.success ? known.data.network : this.#network;
    // Nothing was set up by us, and nobody knows how it would be taken down.
    if (network === undefined) return;
    await delChain(network, attachment, known.success ? known.data.result : undefined, this.#dependencies.run, signal);
    await rm(this.#cacheFile(network, attachment), { force: true });
  }

  /** Whether a sandbox's network is still as it was made. @throws Error of the plugin that misses something */
  async check(request: SandboxNetworkRequest, state: SandboxNetworkState, signal: AbortSignal): Promise<void> {
    const { network, result, capabilityArgs: args } = details.parse(state.details);
    await checkChain(network, attachmentOf(request, args), result, this.#dependencies.run, signal);
  }

  async #load(): Promise<void> {
    const { confDir, binDirs } = this.#settings;
    const { logger } = this.#dependencies;
    const { network, file, problems } = await loadCniConfiguration(confDir);
    const missing = network === undefined ? [] : await missingPlugins(network, binDirs);
    const readiness = readinessOf(network, confDir, [...problems, ...missing]);
    const changed = JSON.stringify([readiness, network]) !== JSON.stringify([this.#readiness, this.#network]);
    this.#network = readiness.ready ? network : undefined;
    this.#readiness = readiness;
    if (!changed) return;
    if (readiness.ready) logger.info('Using a CNI network', { name: network?.name, file });
    else logger.warn('There is no usable CNI network', { reason: readiness.message });
    for (const problem of readiness.ready ? problems : []) logger.warn('Passed over a CNI configuration', { problem });
  }

  /** The caller's signal may be what ended the ADD, so this has its own; its failure must not hide the first. */
  async #undo(network: CniNetworkList, attachment: CniAttachment): Promise<void> {
    try {
      await delChain(network, attachment, undefined, this.#dependencies.run, new AbortController().signal);
    } catch (error) {
      this.#dependencies.logger.warn('Cannot take down what a failed CNI ADD has made', {
        sandbox: attachment.containerId,
        error: errorMessage(error),
      });
    }
  }

  /** In libcni's form, where other tools look for it. */
  async #cache(network: CniNetworkList, attachment: CniAttachment, result: CniResult): Promise<void> {
    const entry = {
      kind: 'cniCacheV1',
      containerId: attachment.containerId,
      config: Buffer.from(JSON.stringify(network)).toString('base64'),
      ifName: attachment.ifName,
      networkName: network.name,
      netns: attachment.netnsPath,
      capabilityArgs: attachment.capabilityArgs,
      result,
    };
    await writeFileAtomic(this.#cacheFile(network, attachment), JSON.stringify(entry));
  }

  #cacheFile(network: CniNetworkList, { containerId, ifName }: CniAttachment): string {
    return path.join(this.#settings.cacheDir, 'results', `${network.name}-${containerId}-${ifName}`);
  }
}

function attachmentOf(request: SandboxNetworkRequest, args: Readonly<Record<string, unknown>>): CniAttachment {
  const { namespace, name, sandboxId, uid } = request;
  const pod = {
    IgnoreUnknown: '1',
    K8S_POD_NAMESPACE: namespace,
    K8S_POD_NAME: name,
    K8S_POD_INFRA_CONTAINER_ID: sandboxId,
    K8S_POD_UID: uid,
  };
  return {
    containerId: sandboxId,
    netnsPath: request.netnsPath ?? '',
    ifName: IF_NAME,
    args: Object.entries(pod)
      .map(([key, value]) => `${key}=${value}`)
      .join(';'),
    capabilityArgs: args,
  };
}

/** Arguments by capability (CNI conventions "Dynamic Plugin specific fields"). @throws InvalidInputError for a rate that is none */
export function capabilityArgs(request: SandboxNetworkRequest, podCidr: string): Record<string, unknown> {
  const ingress = request.annotations[INGRESS];
  const egress = request.annotations[EGRESS];
  return {
    ...portMappingArgs(request),
    ...(ingress === undefined && egress === undefined
      ? {}
      : {
          bandwidth: {
            ...(ingress === undefined ? {} : { ingressRate: bitsPerSecond(INGRESS, ingress), ingressBurst: BURST_BITS }),
            ...(egress === undefined ? {} : { egressRate: bitsPerSecond(EGRESS, egress), egressBurst: BURST_BITS }),
          },
        }),
    ...(podCidr === '' ? {} : { ipRanges: podCidr.split(',').map((subnet) => [{ subnet }]) }),
  };
}

function portMappingArgs({ portMappings }: SandboxNetworkRequest): Record<string, unknown> {
  const published = portMappings.filter((mapping) => mapping.hostPort > 0);
  if (published.length === 0) return {};
  return {
    portMappings: published.map(({ hostPort, containerPort, protocol, hostIp }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      hostIP: hostIp,
    })),
  };
}

/** A quantity such as `10M`; limits as in kubernetes pkg/util/bandwidth. */
function bitsPerSecond(annotation: string, text: string): number {
  const factors: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  const [, digits = '', unit = ''] = /^(\d+)([A-Za-z]*)$/.exec(text) ?? [];
  const rate = Number(digits) * (factors[unit] ?? Number.NaN);
  if (digits === '' || !(rate >= 1e3 && rate <= 1e15)) {
    throw new InvalidInputError(`annotation ${annotation}: "${text}" is not a rate from 1k to 1P bits a second`);
  }
  return rate;
}

async function missingPlugins(network: CniNetworkList, binDirs: readonly string[]): Promise<string[]> {
  const found = await Promise.allSettled(network.plugins.map((plugin) => findPlugin(plugin.type, binDirs)));
  return found.flatMap((one) => (one.status === 'rejected' ? [errorMessage(one.reason)] : []));
}

function readinessOf(network: CniNetworkList | undefined, confDir: string, problems: readonly string[]): NetworkReadiness {
  if (network === undefined) return notReady([`no usable network configuration in ${confDir}`, ...problems].join('; '));
  const missing = problems.filter((problem) => problem.startsWith('failed to find CNI plugin'));
  return missing.length === 0 ? { ready: true } : notReady(missing.join('; '));
}

function notReady(message: string): NetworkReadiness {
  return { ready: false, reason: 'NetworkPluginNotReady', message: `cni config uninitialized: ${message}` };
}
