/** Which proxy, if any, leads to a server (Go golang.org/x/net/http/httpproxy, as every client-go program reads it). */
import ipaddr from 'ipaddr.js';
import { InvalidInputError } from '../lib/errors.ts';

/**
 * The proxy for `server`: the kubeconfig's `proxy-url` before HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY or loopback says none.
 * @throws InvalidInputError for a proxy that is neither http nor https
 */
export function proxyFor(server: URL, configured: string | undefined, env: NodeJS.ProcessEnv): URL | undefined {
  if (configured !== undefined) return parseProxy(configured, 'proxy-url');
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const value = env[name] ?? env[name.toLowerCase()] ?? '';
  if (value === '' || isExcluded(server, env['NO_PROXY'] ?? env['no_proxy'] ?? '')) return undefined;
  return parseProxy(value.includes('://') ? value : `http://${value}`, name);
}

function parseProxy(text: string, source: string): URL {
  if (!URL.canParse(text)) throw new InvalidInputError(`${source} ${JSON.stringify(text)} is not a URL`);
  const url = new URL(text);
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  throw new InvalidInputError(`${source} ${JSON.stringify(text)}: only http and https proxies are supported`);
}

function isExcluded(server: URL, noProxy: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = server.port === '' ? (server.protocol === 'https:' ? '443' : '80') : server.port;
  const address = ipaddr.isValid(host) ? ipaddr.process(host) : undefined;
  if (host === 'localhost' || address?.range() === 'loopback') return true;
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && matches(entry, host, port, address));
}

function matches(entry: string, host: string, port: string, address: ipaddr.IPv4 | ipaddr.IPv6 | undefined): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inNetwork(entry, address);
  const [, name = entry, entryPort] = /^(.*?)(?::(\d+))?$/.exec(ipaddr.isValid(entry) ? `${entry}` : entry) ?? [];
  if (ipaddr.isValid(entry)) return address?.toString() === ipaddr.process(entry).toString();
  if (entryPort !== undefined && entryPort !== port) return false;
  if (name.startsWith('*.')) return host.endsWith(name.slice(1));
  if (name.startsWith('.')) return host.endsWith(name);
  return host === name || host.endsWith(`.${name}`);
}

function inNetwork(entry: string, address: ipaddr.IPv4 | ipaddr.IPv6 | undefined): boolean {
  if (address === undefined || !ipaddr.isValidCIDR(entry)) return false;
  const [network, bits] = ipaddr.parseCIDR(entry);
  return network.kind() === address.kind() && address.match(network, bits);
}
