import { open } from 'node:fs/promises';
import { FailedPreconditionError } from '../lib/errors.ts';
import type { DNSConfig } from '../runtime/types.ts';

/** Content of /etc/resolv.conf for a DNS configuration; `undefined` when it says nothing, and the engine's stays. */
export function resolvConf(dns: DNSConfig): string | undefined {
  const lines = [
    ...dns.servers.map((server) => `nameserver ${server}`),
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
  ];
  return lines.length === 0 ? undefined : `${lines.join('\n')}\n`;
}

/**
 * Replaces what the engine has written for a sandbox (dockershim sandbox_helpers.go rewriteResolvFile): it knows no search list of a
 * cluster and mixes in the host's servers. The containers of the sandbox mount this same file, so it is changed in place.
 *
 * @throws FailedPreconditionError when the engine's file is not on this machine
 */
export async function writeResolvConf(file: string, dns: DNSConfig): Promise<void> {
  const content = resolvConf(dns);
  if (content === undefined) return;
  let handle;
  try {
    handle = await open(file, 'r+');
  } catch (error) {
    throw new FailedPreconditionError(`the sandbox's resolv.conf "${file}" cannot be written: is the engine on this machine?`, {
      cause: error,
    });
  }
  try {
    if ((await handle.readFile('utf8')) === content) return;
    await handle.truncate(0);
    await handle.write(content, 0);
  } finally {
    await handle.close();
  }
}
