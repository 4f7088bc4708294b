/** The plugins of a list one after another (CNI spec "Execution of Network Configurations"; libcni api.go). */
import { z } from 'zod';
import type { CniNetworkList, CniPluginConfig } from './cni-config.ts';
import type { CniCommand, CniRunner } from './cni-plugin.ts';

/** What stays the same through a chain. */
export interface CniAttachment {
  readonly containerId: string;
  readonly netnsPath: string;
  readonly ifName: string;
  readonly args: string;
  /** By capability, what a plugin that declares it is given as `runtimeConfig`. */
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
}

const result = z.looseObject({
  cniVersion: z.string().default(''),
  interfaces: z.array(z.looseObject({ name: z.string(), sandbox: z.string().default('') })).default([]),
  ips: z.array(z.looseObject({ address: z.string(), interface: z.number().exactOptional() })).default([]),
});

/** What a chain's ADD made; passed on as `prevResult` to whoever comes later. */
export type CniResult = z.output<typeof result>;
export const cniResultSchema = result;

/** @throws what the first failing plugin throws; the chain must then be taken down */
export async function addChain(list: CniNetworkList, attachment: CniAttachment, run: CniRunner, signal: AbortSignal): Promise<CniResult> {
  let previous: CniResult | undefined;
  for (const plugin of list.plugins) {
    previous = result.parse(await call('ADD', list, plugin, attachment, previous, run, signal));
  }
  return result.parse(previous);
}

/** In the opposite order. Plugins succeed when there is nothing (left) to take down. */
export async function delChain(
  list: CniNetworkList,
  attachment: CniAttachment,
  previous: CniResult | undefined,
  run: CniRunner,
  signal: AbortSignal,
): Promise<void> {
  for (const plugin of list.plugins.toReversed()) {
    // Before 0.4.0 a DEL is not told what the ADD had made.
    await call('DEL', list, plugin, attachment, knowsCheck(list) ? previous : undefined, run, signal);
  }
}

/** Whether the network is still as it was made; throws if not. Silent for lists that cannot tell. */
export async function checkChain(
  list: CniNetworkList,
  attachment: CniAttachment,
  previous: CniResult,
  run: CniRunner,
  signal: AbortSignal,
): Promise<void> {
  if (list.disableCheck || !knowsCheck(list)) return;
  for (const plugin of list.plugins) await call('CHECK', list, plugin, attachment, previous, run, signal);
}

/** Addresses of the attachment's interface, without prefix lengths, in the plugins' order. */
export function addressesOf(made: CniResult, ifName: string): string[] {
  const own = made.ips.filter((ip) => ip.interface === undefined || made.interfaces[ip.interface]?.name === ifName);
  return own.map((ip) => ip.address.split('/')[0] ?? '').filter((address) => address !== '');
}

function call(
  command: CniCommand,
  list: CniNetworkList,
  plugin: CniPluginConfig,
  { capabilityArgs, ...attachment }: CniAttachment,
  previous: CniResult | undefined,
  run: CniRunner,
  signal: AbortSignal,
): Promise<unknown> {
  const { capabilities, ...own } = plugin;
  const wanted = Object.entries(capabilityArgs).filter(([name]) => capabilities?.[name] === true);
  const config = {
    ...own,
    cniVersion: list.cniVersion,
    name: list.name,
    ...(wanted.length === 0 ? {} : { runtimeConfig: Object.fromEntries(wanted) }),
    ...(previous === undefined ? {} : { prevResult: previous }),
  };
  return run({ command, type: plugin.type, config, ...attachment }, signal);
}

function knowsCheck(list: CniNetworkList): boolean {
  return !list.cniVersion.startsWith('0.3.');
}
