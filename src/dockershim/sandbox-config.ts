import path from 'node:path';
import { InvalidInputError, UnimplementedError } from '../lib/errors.ts';
import type { NamespaceOptions, PodSandboxConfig, PortMapping } from '../runtime/types.ts';
import type { EngineHost } from './engine-host.ts';
import type { ContainerSpec, HostConfig } from './engine.ts';
import { engineResources } from './resource-config.ts';
import { engineUser, sandboxSecurity } from './security-config.ts';

/** What the host and the settings add to a container's configuration. */
export interface EngineContext {
  readonly apiVersion: string;
  readonly cgroupDriver: string;
  /** Used where the configuration names none. */
  readonly defaultCgroupParent: string;
  readonly host: EngineHost;
  readonly log: { readonly maxSizeBytes: number; readonly maxFiles: number };
  /** The engine's default runtime and the others it has. */
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
}

/** Of the infrastructure container: it does nothing but hold namespaces (dockershim sandbox_helpers.go). */
const SANDBOX_CPU_SHARES = 2;
/** Almost never chosen by the OOM killer, but before the engine and the agent. */
const SANDBOX_OOM_SCORE_ADJ = -998;

/** The pause container that holds a pod's namespaces. */
export function sandboxSpec(
  config: PodSandboxConfig,
  options: {
    readonly image: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly runtimeHandler: string;
    readonly networkMode: 'engine' | 'none';
    readonly context: EngineContext;
  },
): ContainerSpec {
  const { context } = options;
  const security = config.linux.securityContext;
  const namespaces = security.namespaceOptions;
  checkNamespaces(namespaces);
  const hostNetwork = namespaces.network === 'node';
  const runtime = runtimeOf(options.runtimeHandler, context);
  const user = security.runAsUser === undefined ? undefined : engineUser(security);
  const ports = hostNetwork || options.networkMode === 'none' ? {} : publishedPorts(config.portMappings);
  const hostConfig: HostConfig = {
    ...engineResources(config.linux.overhead),
    CpuShares: SANDBOX_CPU_SHARES,
    OomScoreAdj: Math.max(SANDBOX_OOM_SCORE_ADJ, context.host.oomScoreFloor),
    ...cgroupParent(config.linux.cgroupParent, context),
    NetworkMode: hostNetwork ? 'host' : options.networkMode === 'none' ? 'none' : 'default',
    IpcMode: namespaces.ipc === 'node' ? 'host' : 'shareable',
    ...(namespaces.pid === 'node' ? { PidMode: 'host' } : {}),
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    ...(Object.keys(config.linux.sysctls).length === 0 ? {} : { Sysctls: config.linux.sysctls }),
    ...(ports.bindings === undefined ? {} : { PortBindings: ports.bindings }),
    ...sandboxSecurity(security),
    LogConfig: { Type: 'none', Config: {} },
    RestartPolicy: { Name: 'no' },
  };
  return {
    Image: options.image,
    Labels: options.labels,
    ...(hostNetwork || config.hostname === '' ? {} : { Hostname: config.hostname }),
    ...(user === undefined ? {} : { User: user }),
    ...(ports.exposed === undefined ? {} : { ExposedPorts: ports.exposed }),
    Healthcheck: { Test: ['NONE'] },
    HostConfig: hostConfig,
  };
}

/** The systemd driver wants the name of the slice alone (dockershim GenerateExpectedCgroupParent). */
export function cgroupParent(asked: string, context: EngineContext): HostConfig {
  const parent = asked === '' ? context.defaultCgroupParent : asked;
  if (parent === '') return {};
  return { CgroupParent: context.cgroupDriver === 'systemd' ? path.basename(parent) : parent };
}

/** @throws InvalidInputError for what no engine configuration stands for */
export function checkNamespaces(namespaces: NamespaceOptions): void {
  if (namespaces.userns !== undefined && namespaces.userns.mode !== 'node') {
    throw new UnimplementedError('user namespaces of a pod (userns) cannot be made by Docker Engine, which has one mapping for all');
  }
}

/** @throws InvalidInputError when the engine has no such runtime */
function runtimeOf(handler: string, context: EngineContext): string | undefined {
  if (handler === '' || handler === 'docker') return undefined;
  if (!context.runtimes.includes(handler)) {
    const known = context.runtimes.join(', ');
    throw new InvalidInputError(`no runtime for "${handler}" is configured in Docker Engine, which has: ${known}`);
  }
  return handler;
}

function publishedPorts(mappings: readonly PortMapping[]): {
  readonly exposed?: Record<string, Record<never, never>>;
  readonly bindings?: Record<string, { HostIp: string; HostPort: string }[]>;
} {
  const published = mappings.filter((mapping) => mapping.hostPort > 0);
  if (published.length === 0) return {};
  const exposed: Record<string, Record<never, never>> = {};
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { protocol, containerPort, hostPort, hostIp } of published) {
    const key = `${String(containerPort)}/${protocol.toLowerCase()}`;
    exposed[key] = {};
    // Several host ports may lead to one container port.
    (bindings[key] ??= []).push({ HostIp: hostIp, HostPort: String(hostPort) });
  }
  return { exposed, bindings };
}
