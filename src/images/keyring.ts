import type { AuthConfig } from '../runtime/types.ts';

/** Where a credential comes from, for the record of who may use an image. Absent: every pod of the node may use it. */
export interface CredentialSource {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Credential {
  readonly auth: AuthConfig;
  readonly source?: CredentialSource;
}

/** Key of Docker Hub's credentials, from `https://index.docker.io/v1/`. */
const DEFAULT_REGISTRY = 'index.docker.io';

/**
 * Finds the credentials for a repository by the kubelet's rules (upstream pkg/credentialprovider/keyring.go): registries may have
 * `*` in the labels of their host, a port must be the same, a path must be a prefix, and the more specific entry comes first.
 */
export class Keyring {
  readonly #credentials = new Map<string, Credential[]>();

  add(registry: string, credential: Credential): void {
    const key = keyOf(registry);
    const known = this.#credentials.get(key);
    if (known) known.push(credential);
    else this.#credentials.set(key, [credential]);
  }

  /** @param repository fully qualified, without tag and digest */
  lookup(repository: string): readonly Credential[] {
    const keys = [...this.#credentials.keys()].sort().reverse(); // longer paths before their prefixes
    const found = keys.filter((key) => matches(key, repository)).flatMap((key) => this.#credentials.get(key) ?? []);
    if (found.length > 0 || !isDefaultRegistry(repository)) return found;
    return this.#credentials.get(DEFAULT_REGISTRY) ?? [];
  }
}

/** Host and path; a scheme is dropped and `/v1/` and `/v2/` mean the whole host. */
function keyOf(registry: string): string {
  const { host, path } = split(registry.replace(/^https?:\/\//, ''));
  const effective = /^\/v[12]\//.test(path) ? path.slice(3) : path;
  return effective === '/' ? host : host + effective;
}

function matches(pattern: string, repository: string): boolean {
  const [wanted, actual] = [split(pattern), split(repository)];
  const [wantedHost, actualHost] = [splitPort(wanted.host), splitPort(actual.host)];
  if (wantedHost.port !== actualHost.port || !actual.path.startsWith(wanted.path)) return false;
  const [wantedLabels, actualLabels] = [wantedHost.name.split('.'), actualHost.name.split('.')];
  if (wantedLabels.length !== actualLabels.length) return false;
  return wantedLabels.every((label, index) => globMatches(label, actualLabels[index] ?? ''));
}

function isDefaultRegistry(repository: string): boolean {
  const { host, path } = split(repository);
  return path === '' || host === 'docker.io' || host === DEFAULT_REGISTRY || !/[.:]/.test(host);
}

function split(address: string): { host: string; path: string } {
  const slash = address.indexOf('/');
  return slash === -1 ? { host: address, path: '' } : { host: address.slice(0, slash), path: address.slice(slash) };
}

function splitPort(host: string): { name: string; port: string } {
  const [, name = host, port = ''] = /^(.*):(\d+)$/.exec(host) ?? [];
  return { name, port };
}

/** `*`, `?` and `[…]`, as in a shell, within one label. */
function globMatches(glob: string, text: string): boolean {
  if (!/[*?[]/.test(glob)) return glob === text;
  const source = glob.replace(/\[([^\]]*)\]|[*?]|[.+^${}()|[\]\\]/g, (part, set?: string) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    return set === undefined ? `\\${part}` : `[${set.replaceAll('\\', '\\\\')}]`;
  });
  return new RegExp(`^${source}$`).test(text);
}
