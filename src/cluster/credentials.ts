/** Who we are to the API server: TLS material and headers that follow their files and plugins as these change. */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import path from 'node:path';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import type { User } from '@kubernetes/client-node/dist/config_types.js';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { InvalidInputError, UnavailableError } from '../lib/errors.ts';
import { inClusterContext, readKubeconfig, type KubeconfigContext } from './kubeconfig.ts';
import { proxyFor } from './proxy.ts';
import { isRecord } from './resources.ts';

/** What a TLS connection to the API server needs. */
export interface TlsMaterial {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean;
  /** Changes with every other field: a connection made with an older one is to be replaced. */
  readonly generation: number;
}

/** The API server and how to prove who we are. Asked again for every request, so that rotation is followed. */
export interface ClusterAccess {
  readonly server: URL;
  readonly proxy: URL | undefined;
  /** @throws UnavailableError when a file or plugin cannot be read now */
  tls(signal: AbortSignal): Promise<TlsMaterial>;
  /** `authorization` and impersonation headers. @throws UnavailableError */
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Forgets what is cached: the server refused it, or a file is known to have changed. */
  refresh(): void;
}

export interface CredentialSettings {
  /** Absent: the pod's service account. */
  readonly kubeconfig: string | undefined;
  readonly clock: Clock;
  readonly env: NodeJS.ProcessEnv;
}

/** Files are read again after this long, as client-go does with token files (transport/token_source.go). */
const FILE_TTL_MS = 60_000;
/** An exec plugin that takes longer hangs: it may ask a remote identity provider, not a person. */
const EXEC_DEADLINE_MS = 60_000;

/** Reads a kubeconfig (or the pod's service account). @throws InvalidInputError naming what is wrong with it */
export async function loadClusterAccess(settings: CredentialSettings): Promise<ClusterAccess> {
  const context = settings.kubeconfig === undefined ? inClusterContext(settings.env) : await readKubeconfig(settings.kubeconfig);
  return createClusterAccess(context, settings.clock, settings.env);
}

/** {@link loadClusterAccess} for a context that has been read already. @throws InvalidInputError */
export function createClusterAccess(context: KubeconfigContext, clock: Clock, env: NodeJS.ProcessEnv): ClusterAccess {
  const { cluster } = context;
  const server = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (server === undefined || (server.protocol !== 'https:' && server.protocol !== 'http:')) {
    throw new InvalidInputError(`cluster "${cluster.name}": ${JSON.stringify(cluster.server)} is not an http or https URL`);
  }
  return new FileClusterAccess(context, server, proxyFor(server, cluster.proxyUrl, env), clock);
}

/** INVARIANTS: at most one exec plugin runs at a time; the generation changes exactly when the material does. */
class FileClusterAccess implements ClusterAccess {
  readonly server: URL;
  readonly proxy: URL | undefined;
  readonly #context: KubeconfigContext;
  readonly #clock: Clock;
  readonly #files = new Map<string, { readonly text: string; readonly readAt: number }>();
  #exec = new ExecAuth();
  #running: Promise<ExecCredentials> | undefined;
  #tls: TlsMaterial | undefined;

  constructor(context: KubeconfigContext, server: URL, proxy: URL | undefined, clock: Clock) {
    this.#context = context;
    this.server = server;
    this.proxy = proxy;
    this.#clock = clock;
  }

  async tls(signal: AbortSignal): Promise<TlsMaterial> {
    const { cluster, user } = this.#context;
    const plugin = await this.#plugin(signal);
    const material = {
      ca: await this.#fileOrData(cluster.caFile, cluster.caData),
      cert: plugin.cert ?? (await this.#fileOrData(user.certFile, user.certData)),
      key: plugin.key ?? (await this.#fileOrData(user.keyFile, user.keyData)),
      servername: cluster.tlsServerName,
      rejectUnauthorized: !cluster.skipTLSVerify,
    };
    const previous = this.#tls;
    const same = previous !== undefined && previous.ca === material.ca && previous.cert === material.cert && previous.key === material.key;
    if (same) return previous;
    this.#tls = { ...material, generation: (previous?.generation ?? 0) + 1 };
    return this.#tls;
  }

  async headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { user, tokenFile } = this.#context;
    const authorization = (await this.#plugin(signal)).authorization ?? (await this.#ownAuthorization(user, tokenFile));
    return {
      ...(authorization === undefined ? {} : { authorization }),
      ...(user.impersonateUser === undefined ? {} : { 'impersonate-user': user.impersonateUser }),
    };
  }

  refresh(): void {
    this.#files.clear();
    this.#exec = new ExecAuth();
  }

  async #ownAuthorization(user: User, tokenFile: string | undefined): Promise<string | undefined> {
    if (tokenFile !== undefined) return `Bearer ${(await this.#file(tokenFile)).trim()}`;
    if (user.token !== undefined) return `Bearer ${user.token.trim()}`;
    if (user.username === undefined) return undefined;
    return `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`;
  }

  async #fileOrData(file: string | undefined, data: string | undefined): Promise<string | undefined> {
    if (file !== undefined) return this.#file(file);
    return data === undefined ? undefined : Buffer.from(data, 'base64').toString();
  }

  async #file(file: string): Promise<string> {
    const cached = this.#files.get(file);
    if (cached !== undefined && this.#clock.monotonic() - cached.readAt < FILE_TTL_MS) return cached.text;
    try {
      const text = await readFile(file, 'utf8');
      this.#files.set(file, { text, readAt: this.#clock.monotonic() });
      return text;
    } catch (error) {
      if (cached !== undefined) return cached.text; // between removal and rename of a rotation
      throw new UnavailableError(`credentials file ${file} cannot be read`, { cause: error });
    }
  }

  async #plugin(signal: AbortSignal): Promise<ExecCredentials> {
    const { user } = this.#context;
    if (user.exec === undefined) return {};
    this.#running ??= this.#runPlugin().finally(() => (this.#running = undefined));
    const running = this.#running;
    return withDeadline(this.#clock, `credential plugin of user "${user.name}"`, EXEC_DEADLINE_MS, signal, () => running);
  }

  async #runPlugin(): Promise<ExecCredentials> {
    const options: RequestOptions = { headers: {} };
    try {
      await this.#exec.applyAuthentication(withExecInfo(this.#context), options);
    } catch (error) {
      throw new UnavailableError(`credential plugin of user "${this.#context.user.name}" failed`, { cause: error });
    }
    const headers: unknown = options.headers;
    const authorization = isRecord(headers) ? headers['Authorization'] : undefined;
    return {
      ...(typeof options.cert === 'string' ? { cert: options.cert } : {}),
      ...(typeof options.key === 'string' ? { key: options.key } : {}),
      ...(typeof authorization === 'string' ? { authorization } : {}),
    };
  }
}

interface ExecCredentials {
  readonly cert?: string;
  readonly key?: string;
  readonly authorization?: string;
}

/** The user with what a plugin expects in its environment (client.authentication.k8s.io: KUBERNETES_EXEC_INFO) and its command resolved. */
function withExecInfo({ user, cluster, directory }: KubeconfigContext): User {
  const exec: unknown = user.exec;
  if (!isRecord(exec)) return user;
  const { command, env, apiVersion } = exec;
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(exec['provideClusterInfo'] === true
        ? { cluster: { server: cluster.server, 'certificate-authority-data': cluster.caData, 'tls-server-name': cluster.tlsServerName } }
        : {}),
    },
  };
  return {
    ...user,
    exec: {
      ...exec,
      command: typeof command === 'string' && command.includes('/') ? path.resolve(directory, command) : command,
      env: [...(Array.isArray(env) ? (env as readonly unknown[]) : []), { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }],
    },
  };
}
