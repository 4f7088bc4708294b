import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ReasonedError } from '../lib/reasoned-error.ts';
import { ImagePullError } from '../images/pull-error.ts';
import type { Action } from '../pods/types.ts';
import type { ExecutorDeps } from './executor-deps.ts';
import { makePod } from './testing/fixtures.ts';
import { makeWorld, startPlan, stopPlan, type World } from './testing/executor-world.ts';

let world: World;
afterEach(() => world.end());

const words = (failed: readonly { readonly reason: string; readonly message: string }[]) =>
  failed.map(({ reason, message }) => [reason, message]);
const kinds = (actions: readonly Action[]) =>
  actions.map((action) => ('container' in action ? `${action.kind} ${action.container}` : action.kind));

test("a new pod runs, and its events are the kubelet's", async () => {
  world = await makeWorld();
  const result = await world.run(startPlan(makePod()));
  expect(kinds(result.done)).toEqual(['prepareVolumes', 'createSandbox', 'startContainer main']);
  expect(result).toMatchObject({ failed: [], skipped: [] });
  expect((await world.observed())?.containers).toMatchObject([{ state: 'running', metadata: { name: 'main', attempt: 0 } }]);
  expect(world.events).toEqual([
    'spec.containers{main} Normal Created: Container created',
    'spec.containers{main} Normal Started: Container started',
  ]);
});

test('containers are created while the sandbox starts, and started after it', async () => {
  world = await makeWorld({ script: { sandbox: () => ({ startMs: 200 }) } });
  const isCreated = () => world.events.some((event) => event.includes('Created'));
  const result = await world.run(startPlan(makePod()), { holdClockUntil: isCreated });
  expect(result.failed).toEqual([]);
  expect((await world.observed())?.containers[0]?.state).toBe('running');
});

test('a runtime that cannot create a sandbox without starting it will do', async () => {
  world = await makeWorld({ prepares: false, script: { sandbox: () => ({ startMs: 200 }) } });
  expect((await world.run(startPlan(makePod()))).failed).toEqual([]);
  expect((await world.observed())?.containers[0]?.state).toBe('running');
});

test('the image is looked for while volumes and sandbox are made', async () => {
  const asked = Promise.withResolvers<void>();
  const deps: Partial<ExecutorDeps> = {
    images: { ensureImage: async () => (asked.resolve(), world.clock.sleep(100).then(() => ({ imageId: 'i' }))) },
    volumes: { mount: async () => asked.promise.then(() => new Map()), resolveSubPath: async () => '', unmount: async () => undefined },
  };
  world = await makeWorld({ deps });
  const sandboxes: unknown[] = [];
  const prepare = world.runtime.prepareSandbox;
  if (prepare === undefined) throw new Error('the runtime cannot prepare sandboxes');
  Object.assign(world.runtime, { prepareSandbox: (...args: Parameters<typeof prepare>) => (sandboxes.push(args), prepare(...args)) });
  expect((await world.run(startPlan(makePod()), { holdClockUntil: () => sandboxes.length > 0 })).failed).toEqual([]);
});

test('the sandbox is created while the volumes are set up, and started only with them', async () => {
  const sandboxExists = Promise.withResolvers<void>();
  const volumes = {
    mount: async () => sandboxExists.promise.then(() => new Map()),
    resolveSubPath: async () => '',
    unmount: async () => undefined,
  };
  world = await makeWorld({ deps: { volumes } });
  const prepare = world.runtime.prepareSandbox;
  if (prepare === undefined) throw new Error('the runtime cannot prepare sandboxes');
  const states: (string | undefined)[] = [];
  const prepareSandbox = async (...args: Parameters<typeof prepare>) => {
    const prepared = await prepare(...args);
    await world.clock.sleep(100);
    states.push((await world.runtime.podSandboxStatus(prepared.id)).state);
    sandboxExists.resolve();
    return prepared;
  };
  Object.assign(world.runtime, { prepareSandbox });
  expect((await world.run(startPlan(makePod()))).failed).toEqual([]);
  expect(states).toEqual(['notready']);
});

test('a container that asks for the pod address waits for it, another does not', async () => {
  const needsIP = { name: 'needs', image: 'i', env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] };
  const pod = makePod({ containers: [needsIP, { name: 'main', image: 'i' }] });
  world = await makeWorld({ script: { sandbox: () => ({ startMs: 200 }) } });
  const isMainCreated = () => world.created.some(({ metadata }) => metadata.name === 'main');
  await world.run(startPlan(pod), { pod, holdClockUntil: isMainCreated });
  expect(world.created.map(({ metadata, envs }) => [metadata.name, ...envs])).toEqual([
    ['main'],
    ['needs', { key: 'IP', value: '10.88.0.1' }],
  ]);
});

test('containers start in list order, also after one whose hook takes long', async () => {
  const containers = ['a', 'b', 'c'].map((name) => ({ name, image: 'i' }));
  const pod = makePod({ containers });
  const script = { container: ({ metadata }: { metadata: { name: string } }) => ({ createMs: metadata.name === 'a' ? 200 : 0 }) };
  world = await makeWorld({ script });
  await world.run(startPlan(pod), { pod });
  expect(world.events.filter((event) => event.includes('Started'))).toEqual(
    ['a', 'b', 'c'].map((name) => `spec.containers{${name}} Normal Started: Container started`),
  );
});

test('one container that cannot start does not keep the next from starting', async () => {
  const pod = makePod({
    containers: [
      { name: 'a', image: 'i' },
      { name: 'b', image: 'i' },
    ],
  });
  const startError = new Error('no such program');
  world = await makeWorld({ script: { container: ({ metadata }) => (metadata.name === 'a' ? { startError } : {}) } });
  const result = await world.run(startPlan(pod), { pod });
  expect(words(result.failed)).toEqual([['RunContainerError', 'no such program']]);
  expect(kinds(result.done)).toContain('startContainer b');
});

test('after an init container that cannot start nothing else is started, after a sidecar it is', async () => {
  const initContainers = [{ name: 'setup', image: 'i' }];
  const plan = (pod: ReturnType<typeof makePod>): Action[] => [
    { kind: 'createSandbox', reason: '', attempt: 0 },
    { kind: 'startContainer', reason: '', container: 'setup', containerKind: 'init', attempt: 0 },
    ...startPlan(pod).slice(2),
  ];
  const script = {
    container: ({ metadata }: { metadata: { name: string } }) => (metadata.name === 'setup' ? { createError: new Error('no') } : {}),
  };
  world = await makeWorld({ script });
  const plain = makePod({ initContainers });
  expect(kinds((await world.run(plan(plain), { pod: plain })).skipped)).toEqual(['startContainer main']);
  await world.end();
  world = await makeWorld({ script });
  const sidecar = makePod({ initContainers: initContainers.map((container) => ({ ...container, restartPolicy: 'Always' })) });
  expect(kinds((await world.run(plan(sidecar), { pod: sidecar })).done)).toContain('startContainer main');
});

test.each<[string, Partial<ExecutorDeps>, string, string]>([
  [
    'an image that cannot be pulled',
    { images: { ensureImage: async () => Promise.reject(new ImagePullError('ErrImagePull', 'no such host')) } },
    'ErrImagePull',
    'Error: ErrImagePull',
  ],
  ['a missing secret', {}, 'CreateContainerConfigError', 'Error: secret "gone" not found'],
])('%s', async (_name, deps, reason, event) => {
  const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'gone', key: 'k' } } }];
  const pod = makePod({ containers: [{ name: 'main', image: 'i', env }] });
  world = await makeWorld({ deps });
  const result = await world.run(startPlan(pod), { pod });
  expect(result.failed).toMatchObject([{ reason, eventRecorded: true }]);
  expect(world.events).toEqual([`spec.containers{main} Warning Failed: ${event}`]);
});

test('an image in back-off says when to try again', async () => {
  const error = new ImagePullError('ImagePullBackOff', 'Back-off pulling image', { retryAt: 123 });
  world = await makeWorld({ deps: { images: { ensureImage: async () => Promise.reject(error) } } });
  expect((await world.run(startPlan(makePod()))).failed).toMatchObject([{ reason: 'ImagePullBackOff', retryAt: 123 }]);
});

test('a container that the runtime will not create', async () => {
  world = await makeWorld({ script: { container: () => ({ createError: new Error('conflict') }) } });
  const result = await world.run(startPlan(makePod()));
  expect(words(result.failed)).toEqual([['CreateContainerError', 'conflict']]);
  expect(world.events).toEqual(['spec.containers{main} Warning Failed: Error: conflict']);
});

test('container ids do not get into events', async () => {
  world = await makeWorld();
  const start = world.runtime.startContainer.bind(world.runtime);
  world.runtime.startContainer = (id, signal) => start(id, signal).then(() => Promise.reject(new Error(`cannot start ${id}`)));
  await world.run(startPlan(makePod()));
  expect(world.events.at(-1)).toBe('spec.containers{main} Warning Failed: Error: cannot start main');
});

test.each([true, false])('a sandbox that does not start is told once and leaves nothing behind (prepared: %s)', async (prepares) => {
  world = await makeWorld({ prepares, script: { sandbox: () => ({ startMs: 100, startError: new Error('no address left') }) } });
  const result = await world.run(startPlan(makePod()));
  expect(words(result.failed)).toEqual([['FailedCreatePodSandBox', 'Failed to create sandbox for pod "web_shop(uid-1)": no address left']]);
  expect(kinds(result.skipped)).toEqual(['startContainer main']);
  expect(world.events.filter((event) => event.startsWith('Pod'))).toEqual([
    'Pod Warning FailedCreatePodSandBox: Failed to create pod sandbox: no address left',
  ]);
  if (prepares) expect(await world.observed()).toBeUndefined();
});

test('a sandbox that fails while a container is being created in it takes the container with it', async () => {
  world = await makeWorld({
    script: { sandbox: () => ({ startError: new Error('no address left') }), container: () => ({ createMs: 500 }) },
  });
  const start = world.runtime.prepareSandbox;
  if (start === undefined) throw new Error('the runtime cannot prepare sandboxes');
  const isBeingCreated = () => world.created.length > 0;
  const prepareSandbox = async (...args: Parameters<typeof start>) => {
    const prepared = await start(...args);
    const startLater = async (signal: AbortSignal) => {
      while (!isBeingCreated()) await world.clock.sleep(10);
      await prepared.start(signal);
    };
    return { id: prepared.id, start: startLater };
  };
  Object.assign(world.runtime, { prepareSandbox });
  const result = await world.run(startPlan(makePod()));
  expect(words(result.failed).map(([reason]) => reason)).toEqual(['FailedCreatePodSandBox']);
  expect(kinds(result.skipped)).toEqual(['startContainer main']);
  expect(await world.observed()).toBeUndefined();
});

test('volumes that are not in place are told once, and neither a sandbox nor an image is waited for', async () => {
  let gaveUp = false;
  const deps: Partial<ExecutorDeps> = {
    volumes: {
      mount: async () => Promise.reject(new Error('configmap "x" not found')),
      resolveSubPath: async () => '',
      unmount: async () => undefined,
    },
    images: {
      ensureImage: (_request, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            gaveUp = true;
            reject(signal.reason as Error);
          }),
        ),
    },
  };
  world = await makeWorld({ deps });
  const result = await world.run(startPlan(makePod()));
  expect(words(result.failed)).toEqual([['FailedMount', 'Unable to attach or mount volumes: configmap "x" not found']]);
  expect(kinds(result.skipped)).toEqual(['createSandbox', 'startContainer main']);
  expect(world.events).toEqual(['Pod Warning FailedMount: Unable to attach or mount volumes: configmap "x" not found']);
  expect(gaveUp).toBe(true);
  expect(await world.observed()).toBeUndefined();
});

test('volumes that have told their event themselves are not told again, and fail whoever needs them when the plan does not set them up', async () => {
  const error = new ReasonedError('FailedMount', 'told', { eventRecorded: true });
  const volumes = { mount: async () => Promise.reject(error), resolveSubPath: async () => '', unmount: async () => undefined };
  world = await makeWorld({ deps: { volumes } });
  const result = await world.run(startPlan(makePod()).slice(1));
  expect(result.failed.map(({ action, reason }) => [action.kind, reason])).toContainEqual(['createSandbox', 'FailedMount']);
  expect(world.events).toEqual([]);
});

test('the hosts file has the address before the container starts, and a container may bring its own', async () => {
  const pod = makePod({
    containers: [
      { name: 'main', image: 'i' },
      { name: 'own', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/etc/hosts' }] },
    ],
  });
  const v = { name: 'v', hostPath: '/v', readOnly: false, selinuxRelabel: false };
  const volumes = { mount: async () => new Map([['v', v]]), resolveSubPath: async () => '', unmount: async () => undefined };
  world = await makeWorld({ script: { sandbox: () => ({ startMs: 50 }) }, deps: { volumes } });
  await world.run(startPlan(pod), { pod });
  const file = path.join(world.directory, 'pods', 'uid-1', 'etc-hosts');
  expect(await readFile(file, 'utf8')).toBe('hosts of 10.88.0.1\n');
  const sources = world.created.map(({ metadata, mounts }) => [metadata.name, ...mounts.map(({ hostPath }) => hostPath)]);
  expect(sources.sort()).toEqual([
    ['main', file],
    ['own', '/v'],
  ]);
});

test('with host networking the pod has the addresses of the node', async () => {
  const pod = makePod({ hostNetwork: true });
  world = await makeWorld();
  await world.run(startPlan(pod), { pod });
  expect(await readFile(path.join(world.directory, 'pods', 'uid-1', 'etc-hosts'), 'utf8')).toBe('hosts of 192.0.2.1\n');
});

test('each instance of a container has a termination log of its own that everybody may write', async () => {
  const pod = makePod({ containers: [{ name: 'main', image: 'i', terminationMessagePath: '/dev/termination-log' }] });
  world = await makeWorld();
  await world.run(startPlan(pod), { pod });
  const mount = world.created[0]?.mounts.find(({ containerPath }) => containerPath === '/dev/termination-log');
  expect(mount?.hostPath).toMatch(/\/pods\/uid-1\/containers\/main\/[0-9a-f]{8}$/);
  expect((await stat(mount?.hostPath ?? '')).mode & 0o777).toBe(0o666);
});

test('logs are linked for collectors and go with the container', async () => {
  world = await makeWorld();
  const log = path.join(world.directory, 'logs', 'shop_web_uid-1', 'main', '0.log');
  const start = world.runtime.startContainer.bind(world.runtime);
  world.runtime.startContainer = async (id, signal) => {
    await writeFile(log, '');
    await start(id, signal);
  };
  await world.run(startPlan(makePod()));
  const links = path.join(world.directory, 'links');
  const [link = ''] = await readdir(links);
  const observed = await world.observed();
  expect(link).toBe(`web_shop_main-${observed?.containers[0]?.id}.log`);
  expect(await readlink(path.join(links, link))).toBe(log);
  await writeFile(`${log}.1`, '');
  await mkdir(path.join(path.dirname(log), 'other'));
  expect((await world.run(stopPlan(observed))).failed).toEqual([]);
  expect(await readdir(links)).toEqual([]);
  expect(await readdir(path.dirname(log))).toEqual(['other']);
});

test('a restart goes into the sandbox that is there', async () => {
  world = await makeWorld();
  await world.run(startPlan(makePod()));
  const before = await world.observed();
  const [sandbox] = before?.sandboxes ?? [];
  world.runtime.exit(before?.containers[0]?.id ?? '', 1);
  const again: Action = {
    kind: 'startContainer',
    reason: '',
    container: 'main',
    containerKind: 'app',
    attempt: 1,
    sandboxId: sandbox?.id ?? '',
  };
  expect((await world.run([again])).failed).toEqual([]);
  const after = await world.observed();
  expect(after?.containers.map(({ state, metadata, podSandboxId }) => [state, metadata.attempt, podSandboxId])).toEqual([
    ['running', 1, sandbox?.id],
    ['exited', 0, sandbox?.id],
  ]);
  expect(world.created[1]?.logPath).toBe('main/1.log');
});

test('a sandbox that takes the place of another is announced before the old one goes', async () => {
  world = await makeWorld();
  await world.run(startPlan(makePod()));
  const observed = await world.observed();
  world.events.length = 0;
  const plan: Action[] = [
    ...stopPlan(observed).filter(({ kind }) => kind === 'stopContainer' || kind === 'stopSandbox'),
    { kind: 'createSandbox', reason: '', attempt: 1 },
    { kind: 'startContainer', reason: '', container: 'main', containerKind: 'app', attempt: 1 },
  ];
  expect((await world.run(plan)).failed).toEqual([]);
  expect(world.events.slice(0, 2)).toEqual([
    'Pod Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.',
    'spec.containers{main} Normal Killing: Stopping container main',
  ]);
});

test('an abort leaves what was not done as skipped, without events', async () => {
  const stop = new AbortController();
  const sandbox = () => {
    world.clock.after(100, () => stop.abort());
    return { startMs: 1_000 };
  };
  world = await makeWorld({ script: { sandbox } });
  const result = await world.run(startPlan(makePod()), { signal: stop.signal });
  expect(result.failed).toEqual([]);
  expect(kinds(result.skipped)).toEqual(['createSandbox', 'startContainer main']);
  expect(world.events.filter((event) => event.includes('Warning'))).toEqual([]);
});

test('a runtime that hangs is given up after its limit, naming the stage', async () => {
  const settings = { runtimeRequestTimeoutMs: 1_000, seccompDefault: false, seccompProfileRoot: '', selinuxEnabled: false };
  world = await makeWorld({ script: { container: () => ({ startMs: 3_600_000 }) }, deps: { settings } });
  const result = await world.run(startPlan(makePod()));
  expect(words(result.failed)).toEqual([['RunContainerError', 'StartContainer did not finish within 1 s']]);
});

test('a container of the plan that the pod does not have fails by itself', async () => {
  world = await makeWorld();
  const plan = [
    ...startPlan(makePod()),
    { kind: 'startContainer', reason: '', container: 'nobody', containerKind: 'app', attempt: 0 },
  ] satisfies Action[];
  const result = await world.run(plan);
  expect(words(result.failed)).toEqual([['RunContainerError', 'the pod has no container nobody']]);
  expect(kinds(result.done)).toContain('startContainer main');
});
