import { afterEach, expect, test } from 'vitest';
import type { Pod } from '../api/types.ts';
import type { Action } from '../pods/types.ts';
import type { HookRequest } from './ports.ts';
import { makePod } from './testing/fixtures.ts';
import { makeWorld, startPlan, stopPlan, type World } from './testing/executor-world.ts';

let world: World;
afterEach(() => world.end());

const kinds = (actions: readonly Action[]) =>
  actions.map((action) => ('container' in action ? `${action.kind} ${action.container}` : action.kind));
const app = (name: string) => ({ name, image: 'i' });

/** Grace periods that the runtime was told, by container. */
function gracesOf(of: World): Map<string, number> {
  const graces = new Map<string, number>();
  const stop = of.runtime.stopContainer.bind(of.runtime);
  of.runtime.stopContainer = async (id, seconds, signal) => {
    graces.set((await of.runtime.containerStatus(id)).metadata.name, seconds);
    await stop(id, seconds, signal);
  };
  return graces;
}

async function running(pod: Pod, options: Parameters<typeof makeWorld>[0] = {}) {
  world = await makeWorld(options);
  await world.run(startPlan(pod), { pod });
  world.events.length = 0;
  return stopPlan(await world.observed());
}

test('everything of a pod goes, in order', async () => {
  const calls: string[] = [];
  const volumes = {
    mount: async () => new Map(),
    resolveSubPath: async () => '',
    unmount: async (uid: string) => void calls.push(`unmount ${uid}`),
  };
  const cgroups = {
    ensurePodCgroup: async () => '',
    removePodCgroup: async (uid: string) => void calls.push(`cgroup ${uid}`),
    containerResources: () => ({}),
  };
  const plan = await running(makePod(), { deps: { volumes, cgroups } });
  const result = await world.run(plan);
  expect(kinds(result.done)).toEqual(['stopContainer main', 'stopSandbox', 'removeContainer main', 'removeSandbox', 'cleanUp']);
  expect(world.events).toEqual(['spec.containers{main} Normal Killing: Stopping container main']);
  expect(await world.observed()).toBeUndefined();
  expect(calls).toEqual(['unmount uid-1', 'cgroup uid-1']);
});

test('containers stop at the same time', async () => {
  const pod = makePod({ containers: [app('a'), app('b'), app('c')] });
  const plan = await running(pod, { script: { container: () => ({ stopMs: 1_000 }) } });
  expect((await world.run(plan.slice(0, 3), { pod })).tookMs).toBe(1_000);
});

test('a container that does not end in its grace period is killed', async () => {
  const pod = makePod();
  const plan = await running(pod, { script: { container: () => ({ stopMs: 60_000 }) } });
  const stop = plan.slice(0, 1);
  expect((await world.run(stop, { pod })).tookMs).toBe(30_000);
  expect((await world.observed())?.containers[0]?.exitCode).toBe(137);
});

test.each([
  [30, 30],
  [0, 2],
  [1, 2],
])('a grace period of %d s is %d s for the runtime: at least two', async (graceSeconds, told) => {
  await running(makePod());
  const graces = gracesOf(world);
  await world.run(stopPlan(await world.observed(), graceSeconds).slice(0, 1));
  expect(graces.get('main')).toBe(told);
});

test("a failed probe's grace period takes the place of the pod's", async () => {
  const [stop] = await running(makePod());
  const graces = gracesOf(world);
  if (stop?.kind !== 'stopContainer') throw new Error('the plan stops nothing');
  await world.run([{ ...stop, probeGraceSeconds: 7, message: 'Container main failed liveness probe, will be restarted' }]);
  expect(graces.get('main')).toBe(7);
  expect(world.events).toEqual(['spec.containers{main} Normal Killing: Container main failed liveness probe, will be restarted']);
});

const preStop = { exec: { command: ['bye'] } };
const hooked = makePod({ containers: [{ ...app('main'), lifecycle: { preStop } }] });

test('the preStop hook runs first and its time is taken from the grace period', async () => {
  const requests: HookRequest[] = [];
  const hooks = { run: (request: HookRequest, signal: AbortSignal) => (requests.push(request), world.clock.sleep(10_500, signal)) };
  const plan = await running(hooked, { deps: { hooks } });
  const graces = gracesOf(world);
  const result = await world.run(plan.slice(0, 1), { pod: hooked });
  expect(result.tookMs).toBe(10_500);
  expect(graces.get('main')).toBe(20);
  expect(requests).toMatchObject([{ handler: preStop, podIPs: ['10.88.0.1'], container: { name: 'main' } }]);
});

test('a preStop hook that uses up the grace period leaves two seconds and no event', async () => {
  const hooks = { run: (_request: HookRequest, signal: AbortSignal) => world.clock.sleep(3_600_000, signal) };
  const plan = await running(hooked, { deps: { hooks } });
  const graces = gracesOf(world);
  expect((await world.run(plan.slice(0, 1), { pod: hooked })).tookMs).toBe(30_000);
  expect(graces.get('main')).toBe(2);
  expect(world.events.some((event) => event.includes('FailedPreStopHook'))).toBe(false);
});

test('a failed preStop hook is an event without its message, and the container stops all the same', async () => {
  const plan = await running(hooked, { deps: { hooks: { run: async () => Promise.reject(new Error('token=secret')) } } });
  const result = await world.run(plan.slice(0, 1), { pod: hooked });
  expect(result.failed).toEqual([]);
  expect(world.events).toContain('spec.containers{main} Warning FailedPreStopHook: PreStopHook failed');
  expect(world.events.join()).not.toContain('secret');
});

test('without grace there is no preStop hook', async () => {
  let runs = 0;
  await running(hooked, { deps: { hooks: { run: async () => void (runs += 1) } } });
  await world.run(stopPlan(await world.observed(), 0).slice(0, 1), { pod: hooked });
  expect(runs).toBe(0);
});

test('the preStop hook of a container whose spec is gone is known from its annotations', async () => {
  const requests: HookRequest[] = [];
  const plan = await running(hooked, { deps: { hooks: { run: async (request) => void requests.push(request) } } });
  const nameless = makePod({ containers: [] });
  await world.run(plan.slice(0, 1), { pod: nameless });
  expect(requests).toMatchObject([{ handler: preStop }]);
});

test('sidecars stop after the app containers, the last first', async () => {
  const sidecar = (name: string) => ({ ...app(name), restartPolicy: 'Always' });
  const pod = makePod({ initContainers: [sidecar('first'), sidecar('second')], containers: [app('main')] });
  const plan: Action[] = [
    { kind: 'createSandbox', reason: '', attempt: 0 },
    ...['first', 'second'].map((container): Action => ({
      kind: 'startContainer',
      reason: '',
      container,
      containerKind: 'init',
      attempt: 0,
    })),
    { kind: 'startContainer', reason: '', container: 'main', containerKind: 'app', attempt: 0 },
  ];
  world = await makeWorld({ script: { container: () => ({ stopMs: 1_000 }) } });
  await world.run(plan, { pod });
  await world.run(
    stopPlan(await world.observed()).filter(({ kind }) => kind === 'stopContainer'),
    { pod },
  );
  const ended = [...((await world.observed())?.containers ?? [])].sort((a, b) => (a.finishedAt < b.finishedAt ? -1 : 1));
  expect(ended.map(({ metadata }) => metadata.name)).toEqual(['main', 'second', 'first']);
  expect(ended.map(({ exitCode }) => exitCode)).toEqual([143, 143, 143]);
});

test('a sidecar does not wait longer than the grace period', async () => {
  const pod = makePod({ initContainers: [{ ...app('side'), restartPolicy: 'Always' }], containers: [app('main')] });
  const plan: Action[] = [
    { kind: 'createSandbox', reason: '', attempt: 0 },
    { kind: 'startContainer', reason: '', container: 'side', containerKind: 'init', attempt: 0 },
    { kind: 'startContainer', reason: '', container: 'main', containerKind: 'app', attempt: 0 },
  ];
  world = await makeWorld({ script: { container: ({ metadata }) => ({ stopMs: metadata.name === 'main' ? 60_000 : 0 }) } });
  await world.run(plan, { pod });
  const result = await world.run(
    stopPlan(await world.observed(), 5).filter(({ kind }) => kind === 'stopContainer'),
    { pod },
  );
  expect(result.tookMs).toBe(5_000);
});

test('a container that will not stop keeps its sandbox and volumes from being removed; the sandbox is stopped all the same', async () => {
  const plan = await running(makePod());
  world.runtime.stopContainer = async () => Promise.reject(new Error('the engine is stuck'));
  const result = await world.run(plan);
  expect(result.failed).toMatchObject([
    { reason: 'FailedKillPod', message: 'error killing pod: the engine is stuck', eventRecorded: false },
  ]);
  expect(kinds(result.done)).toEqual(['stopSandbox']);
  expect(kinds(result.skipped)).toEqual(['removeContainer main', 'removeSandbox', 'cleanUp']);
});

test('a container that is gone is stopped and removed with success', async () => {
  const plan = await running(makePod());
  await world.runtime.removePodSandbox((await world.observed())?.sandboxes[0]?.id ?? '');
  expect((await world.run(plan)).failed).toEqual([]);
});

test('a failed postStart hook stops the container and is told without its message', async () => {
  const pod = makePod({ containers: [{ ...app('main'), lifecycle: { postStart: { exec: { command: ['hello'] } } } }] });
  world = await makeWorld({ deps: { hooks: { run: async () => Promise.reject(new Error('token=secret')) } } });
  const graces = gracesOf(world);
  const result = await world.run(startPlan(pod), { pod });
  expect(result.failed).toMatchObject([{ reason: 'PostStartHookError', message: 'token=secret', eventRecorded: true }]);
  expect(world.events.slice(-2)).toEqual([
    'spec.containers{main} Warning FailedPostStartHook: PostStartHook failed',
    'spec.containers{main} Normal Killing: FailedPostStartHook',
  ]);
  expect(graces.get('main')).toBe(30);
  expect((await world.observed())?.containers[0]?.state).toBe('exited');
});

test('the next container waits for the postStart hook of the one before', async () => {
  const first = { ...app('first'), lifecycle: { postStart: { exec: { command: ['hello'] } } } };
  const pod = makePod({ containers: [first, app('second')] });
  world = await makeWorld({ deps: { hooks: { run: (_request, signal) => world.clock.sleep(5_000, signal) } } });
  await world.run(startPlan(pod), { pod });
  const started = new Map((await world.observed())?.containers.map(({ metadata, startedAt }) => [metadata.name, startedAt]));
  expect(Number((started.get('second') ?? 0n) - (started.get('first') ?? 0n)) / 1e6).toBeGreaterThan(4_999);
});

test('resources of a running container are changed in place', async () => {
  await running(makePod());
  const id = (await world.observed())?.containers[0]?.id ?? '';
  const result = await world.run([{ kind: 'updateContainerResources', reason: '', id, container: 'main' }]);
  expect(result.failed).toEqual([]);
  expect((await world.observed())?.containers[0]?.resources).toEqual({ cpuShares: 2 });
});
