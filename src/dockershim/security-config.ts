import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidInputError, UnimplementedError } from '../lib/errors.ts';
import type { LinuxContainerSecurityContext, LinuxSandboxSecurityContext, SELinuxOptions, SecurityProfile } from '../runtime/types.ts';
import type { EngineHost } from './engine-host.ts';
import type { HostConfig } from './engine.ts';

type SecurityContext = Omit<LinuxContainerSecurityContext, 'namespaceOptions'> | Omit<LinuxSandboxSecurityContext, 'namespaceOptions'>;

/** `user[:group]` as the engine takes it (dockershim security_context.go modifyContainerConfig). */
export function engineUser(context: SecurityContext): string | undefined {
  const name = 'runAsUsername' in context ? context.runAsUsername : undefined;
  const user = context.runAsUser === undefined ? name : String(context.runAsUser);
  const group = context.runAsGroup;
  if (context.supplementalGroupsPolicy === 'Strict' && (user === undefined || user === '' || group === undefined)) {
    // With an explicit group the engine does not add those that the image gives the user: that is what Strict means.
    throw new UnimplementedError('supplementalGroupsPolicy Strict needs runAsUser and runAsGroup with Docker Engine');
  }
  if (user === undefined || user === '') {
    if (group !== undefined) throw new InvalidInputError('runAsGroup is specified without a runAsUser');
    return undefined;
  }
  return group === undefined ? user : `${user}:${String(group)}`;
}

/** Whether a privileged container must do with what its machine has: the engine would refuse to start it as such. */
export function isNearlyPrivileged(context: LinuxContainerSecurityContext, host: EngineHost): boolean {
  return context.privileged === true && host.withheld.length > 0;
}

/** Everything of the security context that goes into HostConfig, except the security options. */
export function securityHostConfig(context: LinuxContainerSecurityContext, host: EngineHost): HostConfig {
  const privileged = context.privileged === true;
  if ((context.capabilities?.addAmbientCapabilities?.length ?? 0) > 0) {
    throw new UnimplementedError('ambient capabilities (addAmbientCapabilities) cannot be given by Docker Engine');
  }
  return {
    Privileged: privileged && !isNearlyPrivileged(context, host),
    ReadonlyRootfs: context.readonlyRootfs === true,
    ...capabilityConfig(context, host),
    ...groupAdd(context.supplementalGroups),
    ...pathConfig(context, host),
  };
}

/** A capability that the machine withholds would keep the container from starting: it goes without. */
function capabilityConfig(context: LinuxContainerSecurityContext, host: EngineHost): HostConfig {
  const { withheld } = host;
  if (isNearlyPrivileged(context, host)) return { CapAdd: ['ALL'], CapDrop: withheld };
  const { capabilities } = context;
  if (capabilities === undefined) return {};
  const added = capabilities.addCapabilities.filter((name) => !withheld.includes(plainName(name)));
  const asksForAll = added.some((name) => plainName(name) === 'ALL');
  return { CapAdd: added, CapDrop: [...capabilities.dropCapabilities, ...(asksForAll ? withheld : [])] };
}

function plainName(capability: string): string {
  return capability.toUpperCase().replace(/^CAP_/, '');
}

/** The engine takes an empty list for "none" and an absent one for its defaults. */
function pathConfig(context: LinuxContainerSecurityContext, host: EngineHost): HostConfig {
  if (isNearlyPrivileged(context, host)) return { MaskedPaths: [], ReadonlyPaths: [] };
  if (context.privileged === true) return {};
  return {
    ...(context.maskedPaths === undefined ? {} : { MaskedPaths: context.maskedPaths }),
    ...(context.readonlyPaths === undefined ? {} : { ReadonlyPaths: context.readonlyPaths }),
  };
}

/** Security options of a sandbox: the engine's default seccomp profile and no new privileges, whatever its containers may do. */
export function sandboxSecurity(context: LinuxSandboxSecurityContext): HostConfig {
  return {
    ReadonlyRootfs: context.readonlyRootfs === true,
    ...groupAdd(context.supplementalGroups),
    SecurityOpt: ['no-new-privileges', ...selinux(context.selinuxOptions)],
  };
}

/** @throws InvalidInputError when a localhost profile cannot be used */
export async function securityOptions(context: LinuxContainerSecurityContext, host: EngineHost): Promise<string[]> {
  if (isNearlyPrivileged(context, host)) return ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable'];
  return [
    ...(await seccomp(context.seccomp)),
    ...apparmor(context.apparmor),
    ...selinux(context.selinuxOptions),
    ...(context.noNewPrivs === true ? ['no-new-privileges'] : []),
  ];
}

/** The engine wants the profile itself, not its path. Without a profile CRI means unconfined, the engine its default. */
async function seccomp(profile: SecurityProfile | undefined): Promise<string[]> {
  switch (profile?.type) {
    case undefined:
    case 'Unconfined':
      return ['seccomp=unconfined'];
    case 'RuntimeDefault':
      return [];
    case 'Localhost':
      return [`seccomp=${await readProfile(profile.localhostRef ?? '')}`];
  }
}

async function readProfile(file: string): Promise<string> {
  if (!path.isAbsolute(file)) throw new InvalidInputError(`seccomp profile path must be absolute, but got relative path "${file}"`);
  try {
    return JSON.stringify(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    throw new InvalidInputError(`cannot load seccomp profile "${file}"`, { cause: error });
  }
}

function apparmor(profile: SecurityProfile | undefined): string[] {
  switch (profile?.type) {
    case undefined:
    case 'RuntimeDefault':
      return [];
    case 'Unconfined':
      return ['apparmor=unconfined'];
    case 'Localhost':
      if (profile.localhostRef === undefined || profile.localhostRef === '') {
        throw new InvalidInputError('an AppArmor profile of type Localhost needs localhostRef');
      }
      return [`apparmor=${profile.localhostRef}`];
  }
}

function selinux(options: SELinuxOptions | undefined): string[] {
  if (options === undefined) return [];
  const parts: readonly (readonly [string, string | undefined])[] = [
    ['user', options.user],
    ['role', options.role],
    ['type', options.type],
    ['level', options.level],
  ];
  return parts.flatMap(([key, value]) => (value === undefined || value === '' ? [] : [`label=${key}:${value}`]));
}

function groupAdd(groups: readonly number[] | undefined): HostConfig {
  return groups === undefined || groups.length === 0 ? {} : { GroupAdd: groups.map(String) };
}
