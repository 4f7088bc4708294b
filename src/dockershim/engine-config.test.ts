import { expect, test } from 'vitest';
import { errorCode } from '../lib/errors.ts';
import type { ContainerConfig, LinuxContainerSecurityContext, Mount, PodSandboxConfig } from '../runtime/types.ts';
import { containerSpec } from './container-config.ts';
import { UNLIMITED_HOST } from './engine-host.ts';
import { engineMounts } from './mount-config.ts';
import { criResources, engineResources } from './resource-config.ts';
import { sandboxSpec, type EngineContext } from './sandbox-config.ts';

const namespaceOptions = { network: 'pod', pid: 'container', ipc: 'pod' } as const;
const context: EngineContext = {
  apiVersion: '1.41',
  cgroupDriver: 'cgroupfs',
  defaultCgroupParent: '',
  host: UNLIMITED_HOST,
  log: { maxSizeBytes: 1000, maxFiles: 3 },
  defaultRuntime: 'runc',
  runtimes: ['runc', 'kata'],
};
const sandbox: PodSandboxConfig = {
  metadata: { name: 'p', uid: 'u', namespace: 'n', attempt: 0 },
  hostname: 'host',
  logDirectory: '/logs',
  portMappings: [],
  labels: {},
  annotations: {},
  linux: { cgroupParent: '/kubepods/burstable/podu', sysctls: {}, securityContext: { namespaceOptions } },
};

function makeSandbox(changes: Partial<PodSandboxConfig>, with_: Partial<EngineContext> = {}, runtimeHandler = '') {
  const options = { image: 'pause', labels: {}, runtimeHandler, networkMode: 'engine' } as const;
  return sandboxSpec({ ...sandbox, ...changes }, { ...options, context: { ...context, ...with_ } });
}

function makeContainer(
  changes: Partial<ContainerConfig>,
  security: Partial<LinuxContainerSecurityContext> = {},
  with_: Partial<EngineContext> = {},
) {
  const config: ContainerConfig = {
    metadata: { name: 'c', attempt: 0 },
    image: { image: 'sha256:1' },
    command: [],
    args: [],
    workingDir: '',
    envs: [],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    logPath: '',
    stdin: false,
    stdinOnce: false,
    tty: false,
    ...changes,
    linux: { ...changes.linux, securityContext: { namespaceOptions, ...security } },
  };
  return containerSpec(config, { id: 'S', config: sandbox, runtimeHandler: '' }, {}, { ...context, ...with_ });
}

test('a sandbox on the pod network publishes its host ports on the engine’s bridge', () => {
  const spec = makeSandbox({
    portMappings: [
      { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '' },
      { protocol: 'TCP', containerPort: 80, hostPort: 8081, hostIp: '127.0.0.1' },
      { protocol: 'UDP', containerPort: 53, hostPort: 53, hostIp: '' },
      { protocol: 'TCP', containerPort: 443, hostPort: 0, hostIp: '' },
    ],
  });
  expect(spec.HostConfig.NetworkMode).toBe('default');
  expect(spec.ExposedPorts).toEqual({ '80/tcp': {}, '53/udp': {} });
  expect(spec.HostConfig.PortBindings).toEqual({
    '80/tcp': [
      { HostIp: '', HostPort: '8080' },
      { HostIp: '127.0.0.1', HostPort: '8081' },
    ],
    '53/udp': [{ HostIp: '', HostPort: '53' }],
  });
});

test('a sandbox on the host network has neither a host name nor ports of its own', () => {
  const linux = { ...sandbox.linux, securityContext: { namespaceOptions: { network: 'node', pid: 'node', ipc: 'node' } } } as const;
  const spec = makeSandbox({ linux, portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 80, hostIp: '' }] });
  expect(spec.HostConfig).toMatchObject({ NetworkMode: 'host', PidMode: 'host', IpcMode: 'host' });
  expect([spec.Hostname, spec.ExposedPorts, spec.HostConfig.PortBindings]).toEqual([undefined, undefined, undefined]);
});

test('with a network of our own the engine connects nothing and publishes nothing', () => {
  const portMappings = [{ protocol: 'TCP', containerPort: 80, hostPort: 80, hostIp: '' }] as const;
  const spec = sandboxSpec({ ...sandbox, portMappings }, { image: 'pause', labels: {}, runtimeHandler: '', networkMode: 'none', context });
  expect([spec.HostConfig.NetworkMode, spec.HostConfig.PortBindings]).toEqual(['none', undefined]);
});

test('the cgroup parent is a path for cgroupfs and a slice’s name for systemd', () => {
  expect(makeSandbox({}).HostConfig.CgroupParent).toBe('/kubepods/burstable/podu');
  const linux = { ...sandbox.linux, cgroupParent: '/kubepods.slice/kubepods-podu.slice' };
  expect(makeSandbox({ linux }, { cgroupDriver: 'systemd' }).HostConfig.CgroupParent).toBe('kubepods-podu.slice');
  const none = { ...sandbox.linux, cgroupParent: '' };
  expect(makeSandbox({ linux: none }, { defaultCgroupParent: '/own' }).HostConfig.CgroupParent).toBe('/own');
  expect(makeSandbox({ linux: none }).HostConfig.CgroupParent).toBeUndefined();
});

test('oom_score_adj is never below what this machine allows', async () => {
  expect(makeSandbox({}).HostConfig.OomScoreAdj).toBe(-998);
  expect(makeSandbox({}, { host: { ...UNLIMITED_HOST, oomScoreFloor: 0 } }).HostConfig.OomScoreAdj).toBe(0);
  const linux = { resources: { oomScoreAdj: -997 }, securityContext: { namespaceOptions } };
  expect((await makeContainer({ linux }, {}, { host: { ...UNLIMITED_HOST, oomScoreFloor: 5 } })).HostConfig.OomScoreAdj).toBe(5);
  expect((await makeContainer({ linux })).HostConfig.OomScoreAdj).toBe(-997);
});

test('runtime handlers are the engine’s runtimes', () => {
  expect(makeSandbox({}, {}, 'kata').HostConfig.Runtime).toBe('kata');
  expect(makeSandbox({}, {}, 'docker').HostConfig.Runtime).toBeUndefined();
  expect(() => makeSandbox({}, {}, 'gvisor')).toThrow('no runtime for "gvisor" is configured');
});

test('a container joins the namespaces of its sandbox', async () => {
  expect((await makeContainer({})).HostConfig).toMatchObject({ NetworkMode: 'container:S', IpcMode: 'container:S' });
  const of = async (changes: Partial<typeof namespaceOptions> & { targetId?: string }) =>
    (await makeContainer({}, { namespaceOptions: { ...namespaceOptions, ...changes } })).HostConfig;
  expect((await of({})).PidMode).toBeUndefined();
  expect((await of({ pid: 'pod' as never })).PidMode).toBe('container:S');
  expect((await of({ pid: 'target' as never, targetId: 'T' })).PidMode).toBe('container:T');
  expect(await of({ network: 'node' as never, pid: 'node' as never })).toMatchObject({
    PidMode: 'host',
    UTSMode: 'host',
    NetworkMode: 'container:S',
  });
});

test('an empty command or argument list leaves the image’s', async () => {
  const spec = await makeContainer({ args: ['x'] });
  expect([spec.Entrypoint, spec.Cmd, spec.WorkingDir]).toEqual([undefined, ['x'], undefined]);
});

test('seccomp: none given means unconfined, RuntimeDefault the engine’s', async () => {
  expect((await makeContainer({})).HostConfig.SecurityOpt).toEqual(['seccomp=unconfined']);
  expect((await makeContainer({}, { seccomp: { type: 'RuntimeDefault' }, noNewPrivs: true })).HostConfig.SecurityOpt).toEqual([
    'no-new-privileges',
  ]);
  const relative = makeContainer({}, { seccomp: { type: 'Localhost', localhostRef: 'profile.json' } });
  await expect(relative).rejects.toThrow('must be absolute');
});

test('AppArmor and SELinux become security options', async () => {
  const { HostConfig } = await makeContainer(
    {},
    {
      seccomp: { type: 'RuntimeDefault' },
      apparmor: { type: 'Localhost', localhostRef: 'mine' },
      selinuxOptions: { user: '', role: 'r', type: 't', level: 's0:c1,c2' },
    },
  );
  expect(HostConfig.SecurityOpt).toEqual(['apparmor=mine', 'label=role:r', 'label=type:t', 'label=level:s0:c1,c2']);
});

test('masked paths of nobody are an empty list, of the engine an absent one, and a privileged container has none', async () => {
  expect((await makeContainer({}, { maskedPaths: [], readonlyPaths: ['/x'] })).HostConfig).toMatchObject({
    MaskedPaths: [],
    ReadonlyPaths: ['/x'],
  });
  expect((await makeContainer({})).HostConfig.MaskedPaths).toBeUndefined();
  const privileged = (await makeContainer({}, { privileged: true, maskedPaths: ['/x'] })).HostConfig;
  expect([privileged.Privileged, privileged.MaskedPaths]).toEqual([true, undefined]);
});

test('on a machine that withholds capabilities a privileged container gets all there are, and nothing is asked for in vain', async () => {
  const host = { withheld: ['SYS_RESOURCE', 'SYS_TIME'], oomScoreFloor: 0 };
  const privileged = (await makeContainer({}, { privileged: true, seccomp: { type: 'RuntimeDefault' } }, { host })).HostConfig;
  expect(privileged).toMatchObject({
    Privileged: false,
    CapAdd: ['ALL'],
    CapDrop: ['SYS_RESOURCE', 'SYS_TIME'],
    SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined', 'label=disable'],
    MaskedPaths: [],
    ReadonlyPaths: [],
    DeviceCgroupRules: ['a *:* rwm'],
  });
  expect(privileged.Devices).toContainEqual({ PathOnHost: '/dev/null', PathInContainer: '/dev/null', CgroupPermissions: 'rwm' });
  const added = async (addCapabilities: string[]) =>
    (await makeContainer({}, { capabilities: { addCapabilities, dropCapabilities: ['KILL'] } }, { host })).HostConfig;
  expect(await added(['CAP_NET_ADMIN', 'SYS_RESOURCE'])).toMatchObject({ CapAdd: ['CAP_NET_ADMIN'], CapDrop: ['KILL'] });
  expect(await added(['ALL'])).toMatchObject({ CapAdd: ['ALL'], CapDrop: ['KILL', 'SYS_RESOURCE', 'SYS_TIME'] });
});

test('users: numbers before names, a group only with a user, Strict groups only where they can be had', async () => {
  const user = async (security: Partial<LinuxContainerSecurityContext>) => (await makeContainer({}, security)).User;
  expect(await user({})).toBeUndefined();
  expect(await user({ runAsUser: 0 })).toBe('0');
  expect(await user({ runAsUsername: 'web', runAsGroup: 5 })).toBe('web:5');
  expect(await user({ runAsUser: 1, runAsGroup: 2, supplementalGroupsPolicy: 'Strict' })).toBe('1:2');
  expect(await user({ runAsGroup: 2 }).catch(errorCode)).toBe('InvalidArgument');
  expect(await user({ runAsUser: 1, supplementalGroupsPolicy: 'Strict' }).catch(errorCode)).toBe('Unimplemented');
});

test('what the engine cannot give is refused by its name', async () => {
  const ambient = makeContainer({}, { capabilities: { addCapabilities: [], dropCapabilities: [], addAmbientCapabilities: ['CHOWN'] } });
  await expect(ambient).rejects.toThrow('addAmbientCapabilities');
  await expect(makeContainer({ cdiDevices: ['vendor.com/x=1'] })).rejects.toThrow('vendor.com/x=1');
});

test('resources keep what they are given, and swap is no more than the memory unless told', () => {
  expect(engineResources(undefined)).toEqual({});
  expect(engineResources({ cpuShares: 2, cpuPeriod: 100_000, cpuQuota: -1, memoryLimitInBytes: 64 })).toEqual({
    CpuShares: 2,
    CpuPeriod: 100_000,
    CpuQuota: -1,
    Memory: 64,
    MemorySwap: 64,
  });
  expect(engineResources({ memoryLimitInBytes: 64, memorySwapLimitInBytes: -1 })).toEqual({ Memory: 64, MemorySwap: -1 });
  expect(engineResources({ cpusetCpus: '0-1', cpusetMems: '0' })).toEqual({ CpusetCpus: '0-1', CpusetMems: '0' });
});

test('a status tells the resources as they were given', () => {
  const given = {
    cpuShares: 2,
    cpuPeriod: 3,
    cpuQuota: 4,
    cpusetCpus: '0',
    cpusetMems: '0',
    memoryLimitInBytes: 64,
    memorySwapLimitInBytes: 64,
  };
  expect(criResources({ ...engineResources(given), OomScoreAdj: 7 })).toEqual({ ...given, oomScoreAdj: 7 });
});

const mount: Mount = { containerPath: '/c', hostPath: '/h', readonly: true, selinuxRelabel: false, propagation: 'private' };

test('mounts: propagation, and read-only without recursion where the engine would recurse', () => {
  const of = (changes: Partial<Mount>, api = '1.41') => engineMounts([{ ...mount, ...changes }], api)[0];
  expect(of({})).toEqual({ Type: 'bind', Source: '/h', Target: '/c', ReadOnly: true, BindOptions: {} });
  expect(of({ propagation: 'hostToContainer' })?.BindOptions).toEqual({ Propagation: 'rslave' });
  expect(of({ propagation: 'bidirectional', readonly: false })?.BindOptions).toEqual({ Propagation: 'rshared' });
  expect(of({}, '1.44')?.BindOptions).toEqual({ ReadOnlyNonRecursive: true });
  expect(of({ recursiveReadOnly: true }, '1.44')?.BindOptions).toEqual({ ReadOnlyForceRecursive: true });
});

test.each([
  [{ recursiveReadOnly: true }, 'needs Docker API 1.44'],
  [{ recursiveReadOnly: true, readonly: false }, 'needs readonly'],
  [{ recursiveReadOnly: true, propagation: 'bidirectional' }, 'needs private propagation'],
  [{ image: { image: 'x' } }, 'images cannot be mounted'],
  [{ uidMappings: [{ hostId: 1, containerId: 0, length: 1 }] }, 'uidMappings'],
] as const)('a mount with %j is refused', (changes, message) => {
  expect(() => engineMounts([{ ...mount, ...changes }], '1.41')).toThrow(message);
});
