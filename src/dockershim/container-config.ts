import { UnimplementedError } from '../lib/errors.ts';
import type { ContainerConfig, NamespaceOptions, PodSandboxConfig } from '../runtime/types.ts';
import { hostDevices } from './engine-host.ts';
import type { ContainerSpec, DeviceSpec, HostConfig } from './engine.ts';
import { engineMounts } from './mount-config.ts';
import { engineResources } from './resource-config.ts';
import { cgroupParent, checkNamespaces, type EngineContext } from './sandbox-config.ts';
import { engineUser, isNearlyPrivileged, securityHostConfig, securityOptions } from './security-config.ts';

/** A container in the namespaces of its sandbox (dockershim container_create.go). */
export async function containerSpec(
  config: ContainerConfig,
  sandbox: { readonly id: string; readonly config: PodSandboxConfig; readonly runtimeHandler: string },
  labels: Readonly<Record<string, string>>,
  context: EngineContext,
): Promise<ContainerSpec> {
  const security = config.linux.securityContext;
  checkNamespaces(security.namespaceOptions);
  if ((config.cdiDevices?.length ?? 0) > 0) {
    throw new UnimplementedError(
      `CDI devices (${config.cdiDevices?.join(', ') ?? ''}) cannot be given by Docker API ${context.apiVersion}`,
    );
  }
  const { resources } = config.linux;
  const user = engineUser(security);
  const hostConfig: HostConfig = {
    ...engineResources(resources),
    ...oomScoreAdj(resources?.oomScoreAdj, context),
    ...cgroupParent(sandbox.config.linux.cgroupParent, context),
    ...namespaceModes(security.namespaceOptions, sandbox.id),
    ...(sandbox.runtimeHandler === '' || sandbox.runtimeHandler === 'docker' ? {} : { Runtime: sandbox.runtimeHandler }),
    ...securityHostConfig(security, context.host),
    SecurityOpt: await securityOptions(security, context.host),
    Mounts: engineMounts(config.mounts, context.apiVersion),
    ...(await engineDevices(config, context)),
    LogConfig: {
      Type: 'json-file',
      Config: { 'max-size': String(context.log.maxSizeBytes), 'max-file': String(context.log.maxFiles) },
    },
    RestartPolicy: { Name: 'no' },
  };
  return {
    Image: config.image.image,
    Labels: labels,
    ...(config.command.length === 0 ? {} : { Entrypoint: config.command }),
    ...(config.args.length === 0 ? {} : { Cmd: config.args }),
    ...(config.workingDir === '' ? {} : { WorkingDir: config.workingDir }),
    Env: config.envs.map(({ key, value }) => `${key}=${value}`),
    ...(user === undefined ? {} : { User: user }),
    ...(config.stopSignal === undefined || config.stopSignal === '' ? {} : { StopSignal: config.stopSignal }),
    OpenStdin: config.stdin,
    StdinOnce: config.stdinOnce,
    Tty: config.tty,
    // Health is the agent's business: probes.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: hostConfig,
  };
}

/** A privileged container that is only nearly so is given every device by name. */
async function engineDevices(config: ContainerConfig, context: EngineContext): Promise<HostConfig> {
  const asked = config.devices.map(({ hostPath, containerPath, permissions }) => deviceSpec(hostPath, containerPath, permissions));
  if (!isNearlyPrivileged(config.linux.securityContext, context.host)) return { Devices: asked };
  const all = (await hostDevices()).map((device) => deviceSpec(device, device, 'rwm'));
  return { Devices: [...all, ...asked], DeviceCgroupRules: ['a *:* rwm'] };
}

function deviceSpec(host: string, container: string, permissions: string): DeviceSpec {
  return { PathOnHost: host, PathInContainer: container, CgroupPermissions: permissions };
}

function namespaceModes(namespaces: NamespaceOptions, sandboxId: string): HostConfig {
  const sandbox = `container:${sandboxId}`;
  return {
    NetworkMode: sandbox,
    IpcMode: namespaces.ipc === 'node' ? 'host' : sandbox,
    ...pidMode(namespaces, sandbox),
    // The host's name goes with the host's network.
    ...(namespaces.network === 'node' ? { UTSMode: 'host' } : {}),
  };
}

function pidMode(namespaces: NamespaceOptions, sandbox: string): HostConfig {
  switch (namespaces.pid) {
    case 'node':
      return { PidMode: 'host' };
    case 'pod':
      return { PidMode: sandbox };
    case 'target':
      return { PidMode: `container:${namespaces.targetId ?? ''}` };
    case 'container':
      return {};
  }
}

function oomScoreAdj(asked: number | undefined, context: EngineContext): HostConfig {
  return asked === undefined ? {} : { OomScoreAdj: Math.max(asked, context.host.oomScoreFloor) };
}
