import type { AuthorizationAttributes, UserInfo } from '../cluster/types.ts';

const VERBS: Readonly<Record<string, string>> = { POST: 'create', GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Streams run things in a pod or reach into it, whatever HTTP method opened them. */
const STREAM_PATHS = ['/exec', '/attach', '/portForward', '/run'];

/** Paths with a narrow sub-resource of their own, which is tried before `proxy` (kubelet KubeletFineGrainedAuthz). */
const NARROW: readonly (readonly [path: string, subresource: string])[] = [
  ['/pods', 'pods'],
  ['/runningpods/', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
];

/** Paths that only their own sub-resource opens. */
const OWN: readonly (readonly [path: string, subresource: string])[] = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
];

/**
 * What a request must be allowed to do, any one of the answers being enough: a verb on `nodes/<subresource>` of this node
 * (kubelet pkg/kubelet/server/auth.go). A stream always asks for `create`: a WebSocket arrives as a GET, and read access to a node
 * must not be enough to run commands on it.
 */
export function requestAttributes(user: UserInfo, method: string, path: string, nodeName: string): AuthorizationAttributes[] {
  const verb = STREAM_PATHS.some((stream) => isSubpath(path, stream)) ? 'create' : (VERBS[method] ?? method.toLowerCase());
  const narrow = NARROW.filter(([prefix]) => isSubpath(path, prefix)).map(([, subresource]) => subresource);
  const own = OWN.find(([prefix]) => isSubpath(path, prefix))?.[1] ?? 'proxy';
  return [...narrow, own].map((subresource) => ({
    user,
    verb,
    resource: { group: '', version: 'v1', resource: 'nodes', subresource, name: nodeName },
  }));
}

function isSubpath(path: string, prefix: string): boolean {
  const bare = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === bare || path.startsWith(`${bare}/`);
}
