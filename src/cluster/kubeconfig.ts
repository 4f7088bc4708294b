/** Kubeconfig files and the service account of a pod as plain data. Entries are read by client-node; paths become absolute here. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { newClusters, newContexts, newUsers, type Cluster, type User } from '@kubernetes/client-node/dist/config_types.js';
import { parse, stringify } from 'yaml';
import { InvalidInputError, errorMessage } from '../lib/errors.ts';
import { isRecord } from './resources.ts';

/** The cluster and the user of one context. */
export interface KubeconfigContext {
  readonly cluster: Cluster;
  readonly user: User;
  /** File with a bearer token; read again as it changes. */
  readonly tokenFile: string | undefined;
  readonly namespace: string | undefined;
  /** Where the file lies: commands of exec plugins may be relative to it. */
  readonly directory: string;
}

/** Where Kubernetes puts a pod's service account. */
const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Reads the current context of a kubeconfig file. @throws InvalidInputError naming the file and the entry */
export async function readKubeconfig(file: string): Promise<KubeconfigContext> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new InvalidInputError(`kubeconfig ${file} cannot be read`, { cause: error });
  }
  return parseKubeconfig(text, file);
}

/** {@link readKubeconfig} on text that has been read already. @throws InvalidInputError */
export function parseKubeconfig(text: string, file: string): KubeconfigContext {
  const directory = path.dirname(path.resolve(file));
  const config = parseYaml(text, file);
  const contextName = config['current-context'];
  if (typeof contextName !== 'string' || contextName === '') throw new InvalidInputError(`kubeconfig ${file} has no current-context`);
  const { clusters, users, contexts } = readEntries(config, file);
  const context = contexts.find((candidate) => candidate.name === contextName);
  if (context === undefined) throw missing(file, 'context', contextName);
  const cluster = clusters.find((candidate) => candidate.name === context.cluster);
  if (cluster === undefined) throw missing(file, 'cluster', context.cluster);
  const user = users.find((candidate) => candidate.name === context.user) ?? anonymous(context.user, file);
  return {
    cluster: cluster.caFile === undefined ? cluster : { ...cluster, caFile: path.resolve(directory, cluster.caFile) },
    user: {
      ...user,
      ...(user.certFile === undefined ? {} : { certFile: path.resolve(directory, user.certFile) }),
      ...(user.keyFile === undefined ? {} : { keyFile: path.resolve(directory, user.keyFile) }),
    },
    tokenFile: tokenFileOf(config, user.name, directory),
    namespace: context.namespace,
    directory,
  };
}

/** The service account that Kubernetes gives to a pod. @throws InvalidInputError outside a pod */
export function inClusterContext(env: NodeJS.ProcessEnv): KubeconfigContext {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (host === undefined || port === undefined) {
    throw new InvalidInputError('no kubeconfig is given, and KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set as in a pod');
  }
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    cluster: { name: 'in-cluster', server, skipTLSVerify: false, caFile: path.join(SERVICE_ACCOUNT_DIRECTORY, 'ca.crt') },
    user: { name: 'in-cluster' },
    tokenFile: path.join(SERVICE_ACCOUNT_DIRECTORY, 'token'),
    namespace: undefined,
    directory: SERVICE_ACCOUNT_DIRECTORY,
  };
}

/** A kubeconfig for a client certificate kept in one PEM file, in the words of the kubelet's bootstrap. */
export function clientCertificateKubeconfig(cluster: Cluster, pemFile: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'default-cluster',
        cluster: {
          server: cluster.server,
          ...(cluster.skipTLSVerify ? { 'insecure-skip-tls-verify': true } : {}),
          ...(cluster.caFile === undefined ? {} : { 'certificate-authority': cluster.caFile }),
          ...(cluster.caFile !== undefined || cluster.caData === undefined ? {} : { 'certificate-authority-data': cluster.caData }),
          ...(cluster.tlsServerName === undefined ? {} : { 'tls-server-name': cluster.tlsServerName }),
          ...(cluster.proxyUrl === undefined ? {} : { 'proxy-url': cluster.proxyUrl }),
        },
      },
    ],
    users: [{ name: 'default-auth', user: { 'client-certificate': pemFile, 'client-key': pemFile } }],
    contexts: [{ name: 'default-context', context: { cluster: 'default-cluster', user: 'default-auth', namespace: 'default' } }],
    'current-context': 'default-context',
  });
}

function parseYaml(text: string, file: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = parse(text);
  } catch (error) {
    throw new InvalidInputError(`kubeconfig ${file} is not YAML`, { cause: error });
  }
  if (!isRecord(config)) throw new InvalidInputError(`kubeconfig ${file} is not a mapping`);
  return config;
}

function readEntries(config: Record<string, unknown>, file: string): ReturnType<typeof entries> {
  try {
    return entries(config);
  } catch (error) {
    throw new InvalidInputError(`kubeconfig ${file}: ${errorMessage(error)}`, { cause: error });
  }
}

function entries(config: Record<string, unknown>): {
  readonly clusters: Cluster[];
  readonly users: User[];
  readonly contexts: ReturnType<typeof newContexts>;
} {
  return {
    clusters: newClusters(config['clusters']).map(withoutNulls),
    users: newUsers(config['users']).map(withoutNulls),
    contexts: newContexts(config['contexts']),
  };
}

/** client-node writes null where a field is absent, against its own types. */
function withoutNulls<T extends object>(entry: T): T {
  const kept = { ...entry };
  for (const [key, value] of Object.entries(kept)) if (value === null || value === undefined) Reflect.deleteProperty(kept, key);
  return kept;
}

/** client-node looks for `token-file`; the field is called `tokenFile`. */
function tokenFileOf(config: Record<string, unknown>, name: string, directory: string): string | undefined {
  const users: readonly unknown[] = Array.isArray(config['users']) ? config['users'] : [];
  const entry = users.find((candidate) => isRecord(candidate) && candidate['name'] === name);
  const user = isRecord(entry) ? entry['user'] : undefined;
  const file = isRecord(user) ? user['tokenFile'] : undefined;
  return typeof file === 'string' && file !== '' ? path.resolve(directory, file) : undefined;
}

/** A context without a user is an anonymous client; one that names a user which is not there is a mistake. */
function anonymous(name: string | undefined, file: string): User {
  if (name === undefined || name === '') return { name: '' };
  throw missing(file, 'user', name);
}

function missing(file: string, kind: string, name: string): InvalidInputError {
  return new InvalidInputError(`kubeconfig ${file} has no ${kind} named ${JSON.stringify(name)}`);
}
