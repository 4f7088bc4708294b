import { errorCode, errorMessage } from '../lib/errors.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import type { RuntimeCondition, RuntimeHandler, RuntimeStatus, VersionInfo } from '../runtime/types.ts';
import type { Connection, EngineLink } from './engine-link.ts';
import type { DockershimSettings } from './settings.ts';

/** Version of the kubelet's runtime interface that Version answers (k8s.io/cri-client kubeRuntimeAPIVersion). */
const KUBELET_API_VERSION = '0.1.0';
const RECURSIVE_READ_ONLY_API = 44;

export function versionInfo({ version }: Connection): VersionInfo {
  return {
    version: KUBELET_API_VERSION,
    runtimeName: 'docker',
    runtimeVersion: version.version,
    runtimeApiVersion: `${version.apiVersion}.0`,
  };
}

/** Conditions, handlers and features as they are now; asks nobody (dockershim docker_service.go Status). */
export function runtimeStatus(link: EngineLink, network: SandboxNetwork, settings: DockershimSettings, verbose: boolean): RuntimeStatus {
  const connection = link.current;
  return {
    conditions: [runtimeReady(link, settings), networkReady(connection, network)],
    runtimeHandlers: connection === undefined ? [] : handlers(connection),
    features: { supplementalGroupsPolicy: false },
    ...(verbose ? { info: { config: JSON.stringify({ sandboxImage: settings.sandboxImage, endpoint: settings.dockerEndpoint }) } } : {}),
  };
}

function runtimeReady(link: EngineLink, settings: DockershimSettings): RuntimeCondition {
  const type = 'RuntimeReady';
  const connection = link.current;
  if (connection === undefined) {
    const reason = errorCode(link.failure) === 'FailedPrecondition' ? 'DockerVersionNotSupported' : 'DockerDaemonNotReady';
    return { type, status: false, reason, message: `docker: ${errorMessage(link.failure)}` };
  }
  const { cgroupDriver } = connection.info;
  if (settings.cgroupDriver !== undefined && settings.cgroupDriver !== cgroupDriver) {
    const message = `docker: the agent is configured for the cgroup driver "${settings.cgroupDriver}", but Docker Engine uses "${cgroupDriver}"`;
    return { type, status: false, reason: 'CgroupDriverMismatch', message };
  }
  return { type, status: true, reason: '', message: '' };
}

function networkReady(connection: Connection | undefined, network: SandboxNetwork): RuntimeCondition {
  const type = 'NetworkReady';
  const readiness = network.readiness();
  if (!readiness.ready) return { type, status: false, reason: readiness.reason, message: readiness.message };
  if (connection === undefined && network.mode === 'engine') {
    return {
      type,
      status: false,
      reason: 'NetworkPluginNotReady',
      message: 'docker: the bridge is as ready as Docker Engine, which is away',
    };
  }
  return { type, status: true, reason: '', message: '' };
}

/** The default handler has no name, and is also known by its own. */
function handlers({ version, info }: Connection): RuntimeHandler[] {
  const recursiveReadOnlyMounts = Number(version.apiVersion.split('.')[1] ?? 0) >= RECURSIVE_READ_ONLY_API;
  return ['', ...info.runtimes].map((name) => ({ name, features: { recursiveReadOnlyMounts, userNamespaces: false } }));
}
