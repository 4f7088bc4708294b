import { expect, test } from 'vitest';
import type { ContainerSpec, PodSpec } from '../api/types.ts';
import { containerSecurityContext, namespacesOf, sandboxSecurityContext, type ImageUser } from './security-context.ts';
import { makePod } from './testing/fixtures.ts';

const defaults = { seccompDefault: false, seccompProfileRoot: '/seccomp', maskedPaths: ['/proc/kcore'] };

function contextOf(container: Partial<ContainerSpec> = {}, spec: Partial<PodSpec> = {}, image: ImageUser = {}, targetId?: string) {
  return containerSecurityContext(makePod(spec), { name: 'main', ...container }, image, defaults, targetId);
}

test.each<[Partial<PodSpec>, [string, string, string]]>([
  [{}, ['pod', 'container', 'pod']],
  [{ hostNetwork: true, hostPID: true, hostIPC: true }, ['node', 'node', 'node']],
  [{ shareProcessNamespace: true }, ['pod', 'pod', 'pod']],
  [{ shareProcessNamespace: true, hostPID: true }, ['pod', 'node', 'pod']],
])('%j has the namespaces %j', (spec, expected) => {
  const { network, pid, ipc } = namespacesOf(makePod(spec));
  expect([network, pid, ipc]).toEqual(expected);
});

test('an ephemeral container joins the processes of its target, unless all are shared already', () => {
  expect(contextOf({}, {}, {}, 'target').namespaceOptions).toMatchObject({ pid: 'target', targetId: 'target' });
  expect(contextOf({}, { shareProcessNamespace: true }, {}, 'target').namespaceOptions).toEqual({ network: 'pod', pid: 'pod', ipc: 'pod' });
});

test('an ordinary container', () => {
  expect(contextOf()).toEqual({
    namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' },
    privileged: false,
    readonlyRootfs: false,
    noNewPrivs: false,
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    seccomp: { type: 'Unconfined' },
    runAsUser: 0,
  });
});

test("the container's fields win over the pod's", () => {
  const spec = { securityContext: { runAsUser: 1, runAsGroup: 2, seLinuxOptions: { level: 'pod' } } };
  expect(contextOf({}, spec)).toMatchObject({ runAsUser: 1, runAsGroup: 2, selinuxOptions: { level: 'pod' } });
  const own = { securityContext: { runAsUser: 3, runAsGroup: 4, seLinuxOptions: { level: 'own' } } };
  expect(contextOf(own, spec)).toMatchObject({ runAsUser: 3, runAsGroup: 4, selinuxOptions: { level: 'own' } });
});

test.each<[ImageUser, object]>([
  [{}, { runAsUser: 0 }],
  [{ uid: 7 }, { runAsUser: 7 }],
  [{ username: 'www' }, { runAsUsername: 'www' }],
])("without a user of the spec it is the image's: %j", (image, expected) => {
  expect(contextOf({}, {}, image)).toMatchObject(expected);
});

test.each<[Partial<PodSpec>, Partial<ContainerSpec>, ImageUser, string | undefined]>([
  [{}, { securityContext: { runAsNonRoot: true, runAsUser: 0 } }, {}, "container's runAsUser breaks non-root policy"],
  [{ securityContext: { runAsNonRoot: true } }, {}, {}, 'container has runAsNonRoot and image will run as root'],
  [{ securityContext: { runAsNonRoot: true } }, {}, { uid: 0 }, 'container has runAsNonRoot and image will run as root'],
  [
    { securityContext: { runAsNonRoot: true } },
    {},
    { username: 'www' },
    'image has non-numeric user (www), cannot verify user is non-root',
  ],
  [{ securityContext: { runAsNonRoot: true } }, {}, { uid: 2 ** 31 }, 'image has an invalid user id (2147483648)'],
  [{ securityContext: { runAsNonRoot: true } }, {}, { uid: 5 }, undefined],
  [{ securityContext: { runAsNonRoot: true, runAsUser: 5 } }, {}, { username: 'www' }, undefined],
  [{ securityContext: { runAsNonRoot: true } }, { securityContext: { runAsNonRoot: false } }, {}, undefined],
])('runAsNonRoot: %j %j %j', (spec, container, image, message) => {
  const make = () => contextOf(container, spec, image);
  if (message === undefined) expect(make).not.toThrow();
  else {
    expect(make).toThrow(message);
    expect(make).toThrow('(pod: "web_shop(uid-1)", container: main)');
  }
});

test('capabilities, privileges and paths', () => {
  const securityContext = {
    capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    privileged: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    procMount: 'Unmasked',
  };
  expect(contextOf({ securityContext })).toMatchObject({
    capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
    privileged: true,
    readonlyRootfs: true,
    noNewPrivs: true,
    maskedPaths: [],
    readonlyPaths: [],
  });
  expect(contextOf({ securityContext: { allowPrivilegeEscalation: true } }).noNewPrivs).toBe(false);
});

test('fsGroup and supplemental groups with their policy', () => {
  const securityContext = { fsGroup: 10, supplementalGroups: [11, 12], supplementalGroupsPolicy: 'Strict' };
  expect(contextOf({}, { securityContext })).toMatchObject({ supplementalGroups: [10, 11, 12], supplementalGroupsPolicy: 'Strict' });
  expect(() => contextOf({}, { securityContext: { supplementalGroupsPolicy: 'Some' } })).toThrow(
    'unsupported supplementalGroupsPolicy: Some',
  );
});

test.each<[Partial<PodSpec>, Partial<ContainerSpec>, object]>([
  [{}, { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }, { type: 'RuntimeDefault' }],
  [{ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }, {}, { type: 'RuntimeDefault' }],
  [
    { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
    { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    { type: 'Unconfined' },
  ],
  [
    {},
    { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a/b.json' } } },
    { type: 'Localhost', localhostRef: '/seccomp/a/b.json' },
  ],
])('seccomp: %j %j is %j', (spec, container, expected) => {
  expect(contextOf(container, spec).seccomp).toEqual(expected);
});

test('seccompDefault makes the default of the runtime the default of the node; an incomplete profile is refused', () => {
  const withDefault = containerSecurityContext(makePod(), { name: 'main' }, {}, { ...defaults, seccompDefault: true });
  expect(withDefault.seccomp).toEqual({ type: 'RuntimeDefault' });
  expect(() => contextOf({ securityContext: { seccompProfile: { type: 'Localhost' } } })).toThrow('localhostProfile must be set');
});

test('AppArmor: container, old annotation, pod, in this order', () => {
  const podProfile = { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } };
  expect(contextOf().apparmor).toBeUndefined();
  expect(contextOf({}, podProfile).apparmor).toEqual({ type: 'RuntimeDefault' });
  const annotated = makePod(podProfile, { annotations: { 'container.apparmor.security.beta.kubernetes.io/main': 'localhost/old' } });
  expect(containerSecurityContext(annotated, { name: 'main' }, {}, defaults).apparmor).toEqual({ type: 'Localhost', localhostRef: 'old' });
  const own = { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'new' } } };
  expect(containerSecurityContext(annotated, { name: 'main', ...own }, {}, defaults).apparmor).toEqual({
    type: 'Localhost',
    localhostRef: 'new',
  });
  expect(() => contextOf({ securityContext: { appArmorProfile: { type: 'Localhost' } } })).toThrow(
    'missing localhost apparmor profile name',
  );
  expect(() => contextOf({ securityContext: { appArmorProfile: { type: 'Odd' } } })).toThrow('unknown apparmor profile type: "Odd"');
});

test('the sandbox is privileged when a container is, and keeps the default seccomp profile', () => {
  const spec = {
    containers: [{ name: 'a' }],
    initContainers: [{ name: 'b', securityContext: { privileged: true } }],
    securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, seLinuxOptions: { type: 't' }, seccompProfile: { type: 'Unconfined' } },
  };
  expect(sandboxSecurityContext(makePod(spec))).toEqual({
    namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' },
    privileged: true,
    seccomp: { type: 'RuntimeDefault' },
    runAsUser: 1,
    runAsGroup: 2,
    supplementalGroups: [3],
    selinuxOptions: { type: 't' },
  });
});
