/**
 * Pod and container security contexts as the runtime is told them (upstream pkg/securitycontext/util.go, kubelet
 * pkg/kubelet/kuberuntime/security_context.go and helpers.go).
 */
import type { AnyContainerSpec, Pod, PodSpec, SecurityContext } from '../api/types.ts';
import { InvalidInputError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { podDescription } from './descriptions.ts';
import { READONLY_PATHS } from './masked-paths.ts';
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceMode,
  NamespaceOptions,
  SELinuxOptions,
  SecurityProfile,
} from './types.ts';

type SeccompProfile = NonNullable<SecurityContext['seccompProfile']>;
type AppArmorProfile = NonNullable<SecurityContext['appArmorProfile']>;

export interface SecurityDefaults {
  readonly seccompDefault: boolean;
  readonly seccompProfileRoot: string;
  readonly maskedPaths: readonly string[];
}

/** The default user that the image names; neither field: root. */
export interface ImageUser {
  readonly uid?: number;
  readonly username?: string;
}

const APPARMOR_ANNOTATION_PREFIX = 'container.apparmor.security.beta.kubernetes.io/';
const MAX_USER_ID = 2 ** 31 - 1;

/** Namespaces of the sandbox and of ordinary containers. */
export function namespacesOf(pod: Pod): NamespaceOptions {
  const { hostNetwork, hostIPC, hostPID, shareProcessNamespace } = pod.spec;
  const pid: NamespaceMode = hostPID === true ? 'node' : shareProcessNamespace === true ? 'pod' : 'container';
  return { network: hostNetwork === true ? 'node' : 'pod', ipc: hostIPC === true ? 'node' : 'pod', pid };
}

export function sandboxSecurityContext(pod: Pod): LinuxSandboxSecurityContext {
  const context = pod.spec.securityContext;
  const groups = supplementalGroups(pod.spec);
  return {
    namespaceOptions: namespacesOf(pod),
    privileged: everyContainer(pod).some((container) => container.securityContext?.privileged === true),
    // The pause program needs nothing special: its profile is not the pod's, which may be too narrow to start it.
    seccomp: { type: 'RuntimeDefault' },
    ...(context?.runAsUser === undefined ? {} : { runAsUser: context.runAsUser }),
    ...(context?.runAsGroup === undefined ? {} : { runAsGroup: context.runAsGroup }),
    ...(context?.seLinuxOptions === undefined ? {} : { selinuxOptions: selinuxOptions(context.seLinuxOptions) }),
    ...(groups.length === 0 ? {} : { supplementalGroups: groups }),
    ...supplementalGroupsPolicy(pod.spec),
  };
}

/**
 * @param targetId container whose processes an ephemeral container joins
 * @throws InvalidInputError when runAsNonRoot cannot be kept, or a profile is incomplete
 */
export function containerSecurityContext(
  pod: Pod,
  container: AnyContainerSpec,
  imageUser: ImageUser,
  defaults: SecurityDefaults,
  targetId?: string,
): LinuxContainerSecurityContext {
  const effective = effectiveSecurityContext(pod, container);
  verifyRunAsNonRoot(pod, container, effective, imageUser);
  const unmasked = effective.procMount === 'Unmasked';
  const apparmor = apparmorProfile(pod, container);
  const groups = supplementalGroups(pod.spec);
  const namespaces = namespacesOf(pod);
  const joinsTarget = targetId !== undefined && namespaces.pid === 'container';
  return {
    namespaceOptions: joinsTarget ? { ...namespaces, pid: 'target', targetId } : namespaces,
    privileged: effective.privileged ?? false,
    readonlyRootfs: effective.readOnlyRootFilesystem ?? false,
    noNewPrivs: effective.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : defaults.maskedPaths,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    seccomp: seccompProfile(pod, container, defaults),
    ...(apparmor === undefined ? {} : { apparmor }),
    ...runAs(effective, imageUser),
    ...(effective.runAsGroup === undefined ? {} : { runAsGroup: effective.runAsGroup }),
    ...(effective.seLinuxOptions === undefined ? {} : { selinuxOptions: selinuxOptions(effective.seLinuxOptions) }),
    ...(effective.capabilities === undefined
      ? {}
      : { capabilities: { addCapabilities: effective.capabilities.add ?? [], dropCapabilities: effective.capabilities.drop ?? [] } }),
    ...(groups.length === 0 ? {} : { supplementalGroups: groups }),
    ...supplementalGroupsPolicy(pod.spec),
  };
}

/** The container's fields over those that it has in common with the pod. */
function effectiveSecurityContext(pod: Pod, container: AnyContainerSpec): SecurityContext {
  const { seLinuxOptions, runAsUser, runAsGroup, runAsNonRoot } = pod.spec.securityContext ?? {};
  const inherited: SecurityContext = {
    ...(seLinuxOptions === undefined ? {} : { seLinuxOptions }),
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
  };
  const own = Object.entries(container.securityContext ?? {}).filter(([, value]) => value !== undefined && value !== null);
  return { ...inherited, ...Object.fromEntries(own) };
}

/** Only numeric users can be verified: a name says nothing about its number. */
function verifyRunAsNonRoot(pod: Pod, container: AnyContainerSpec, effective: SecurityContext, image: ImageUser): void {
  if (effective.runAsNonRoot !== true) return;
  const where = `(pod: ${quote(podDescription(pod))}, container: ${container.name})`;
  if (effective.runAsUser !== undefined) {
    if (effective.runAsUser === 0) throw new InvalidInputError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image.uid === undefined && image.username !== undefined && image.username !== '') {
    throw new InvalidInputError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
  const uid = image.uid ?? 0;
  if (uid === 0) throw new InvalidInputError(`container has runAsNonRoot and image will run as root ${where}`);
  if (uid < 0 || uid > MAX_USER_ID) {
    throw new InvalidInputError(
      `container has runAsNonRoot and image has an invalid user id (${uid}). (Must be 1-(${MAX_USER_ID})): must be between 0 and ${MAX_USER_ID}, inclusive ${where}`,
    );
  }
}

function runAs(effective: SecurityContext, image: ImageUser): Pick<LinuxContainerSecurityContext, 'runAsUser' | 'runAsUsername'> {
  if (effective.runAsUser !== undefined) return { runAsUser: effective.runAsUser };
  if (image.uid !== undefined) return { runAsUser: image.uid };
  if (image.username !== undefined && image.username !== '') return { runAsUsername: image.username };
  return { runAsUser: 0 };
}

function seccompProfile(pod: Pod, container: AnyContainerSpec, defaults: SecurityDefaults): SecurityProfile {
  const profile: SeccompProfile | undefined = container.securityContext?.seccompProfile ?? pod.spec.securityContext?.seccompProfile;
  if (profile === undefined) return { type: defaults.seccompDefault ? 'RuntimeDefault' : 'Unconfined' };
  if (profile.type === 'RuntimeDefault') return { type: 'RuntimeDefault' };
  if (profile.type !== 'Localhost') return { type: 'Unconfined' };
  if (profile.localhostProfile === undefined || profile.localhostProfile === '') {
    throw new InvalidInputError('localhostProfile must be set if seccompProfile type is Localhost.');
  }
  return { type: 'Localhost', localhostRef: `${defaults.seccompProfileRoot}/${profile.localhostProfile}` };
}

function apparmorProfile(pod: Pod, container: AnyContainerSpec): SecurityProfile | undefined {
  const profile: AppArmorProfile | undefined =
    container.securityContext?.appArmorProfile ??
    annotatedApparmorProfile(pod.metadata.annotations?.[`${APPARMOR_ANNOTATION_PREFIX}${container.name}`]) ??
    pod.spec.securityContext?.appArmorProfile;
  if (profile === undefined) return undefined;
  if (profile.type === 'RuntimeDefault' || profile.type === 'Unconfined') return { type: profile.type };
  if (profile.type !== 'Localhost') throw new InvalidInputError(`unknown apparmor profile type: ${quote(profile.type)}`);
  if (profile.localhostProfile === undefined) throw new InvalidInputError('missing localhost apparmor profile name');
  return { type: 'Localhost', localhostRef: profile.localhostProfile };
}

/** Static pods may still say it in the old way. */
function annotatedApparmorProfile(value: string | undefined): AppArmorProfile | undefined {
  if (value === 'runtime/default') return { type: 'RuntimeDefault' };
  if (value === 'unconfined') return { type: 'Unconfined' };
  return value?.startsWith('localhost/') ? { type: 'Localhost', localhostProfile: value.slice('localhost/'.length) } : undefined;
}

function supplementalGroups({ securityContext }: PodSpec): number[] {
  return [...(securityContext?.fsGroup === undefined ? [] : [securityContext.fsGroup]), ...(securityContext?.supplementalGroups ?? [])];
}

function supplementalGroupsPolicy({ securityContext }: PodSpec): Pick<LinuxContainerSecurityContext, 'supplementalGroupsPolicy'> {
  const policy = securityContext?.supplementalGroupsPolicy;
  if (policy === undefined) return {};
  if (policy !== 'Merge' && policy !== 'Strict') throw new InvalidInputError(`unsupported supplementalGroupsPolicy: ${policy}`);
  return { supplementalGroupsPolicy: policy };
}

function selinuxOptions({ user, role, type, level }: NonNullable<SecurityContext['seLinuxOptions']>): SELinuxOptions {
  return {
    ...(user === undefined ? {} : { user }),
    ...(role === undefined ? {} : { role }),
    ...(type === undefined ? {} : { type }),
    ...(level === undefined ? {} : { level }),
  };
}

function everyContainer(pod: Pod): AnyContainerSpec[] {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? []), ...(pod.spec.ephemeralContainers ?? [])];
}
