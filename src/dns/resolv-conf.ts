/** Parsing of resolv.conf (kubelet pkg/kubelet/network/dns/dns.go). */
import { InvalidInputError } from '../lib/errors.ts';
import type { DNSConfig } from '../runtime/types.ts';

/** Larger files are refused (kubelet: maxResolvConfLength). */
const MAX_LENGTH = 10 * 2 ** 20;

/**
 * `nameserver` lines add up, the last `search` line wins, `options` are merged by name. Search domains lose their trailing dot,
 * so that one domain written both ways counts once; a lone `.` is left out.
 * @throws InvalidInputError for a file that is too long or has a nameserver line without an address
 */
export function parseResolvConf(text: string): DNSConfig {
  if (text.length > MAX_LENGTH) throw new InvalidInputError(`resolver configuration is longer than ${MAX_LENGTH} bytes`);
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .trim()
      .split(/\s+/)
      .filter((field) => field !== '');
    if (keyword === 'nameserver') {
      if (values[0] === undefined) throw new InvalidInputError('resolver configuration: nameserver line has no address');
      servers.push(values[0]);
    } else if (keyword === 'search') {
      searches = values.filter((domain) => domain !== '.').map((domain) => domain.replace(/\.$/, ''));
    } else if (keyword === 'options') {
      options = mergeOptions(options, values);
    }
  }
  return { servers, searches, options };
}

/** Options are `name` or `name:value`; of the same name the later wins, in the earlier's place. */
export function mergeOptions(existing: readonly string[], added: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const option of [...existing, ...added]) byName.set(option.split(':', 1)[0] ?? option, option);
  return [...byName.values()];
}
