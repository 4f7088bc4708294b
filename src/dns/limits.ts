/** What resolvers can take (kubernetes pkg/apis/core/validation; kubelet pkg/kubelet/network/dns/dns.go). */

/** glibc reads no more. */
export const MAX_SERVERS = 3;
export const MAX_SEARCHES = 32;
/** Characters of the search line, spaces included. */
export const MAX_SEARCH_LINE = 2048;
/** glibc 2.28 aborts on longer domains. */
export const MAX_SEARCH = 253;

export interface Fitted {
  readonly kept: readonly string[];
  readonly omitted: boolean;
}

export function fitServers(servers: readonly string[]): Fitted {
  return { kept: servers.slice(0, MAX_SERVERS), omitted: servers.length > MAX_SERVERS };
}

/** Cuts the number first, then leaves out domains that are too long, then cuts the line from its end. */
export function fitSearches(searches: readonly string[]): Fitted {
  const kept = searches.slice(0, MAX_SEARCHES).filter((domain) => domain.length <= MAX_SEARCH);
  while (kept.join(' ').length > MAX_SEARCH_LINE) kept.pop();
  return { kept, omitted: kept.length < searches.length };
}
