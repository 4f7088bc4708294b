import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ContainerSpec, Pod } from '../../api/types.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { container, sidecar, testPod } from '../testing/builders.ts';
import { FakeRuntime } from '../testing/fake-runtime.ts';
import { noteResult, noteStarts } from '../workers/memory.ts';
import { newWorkerState, type WorkerState } from '../workers/worker-state.ts';
import { withoutProbes } from '../ports.ts';
import { isSidecar } from '../pod-view.ts';
import { defaultPlanSettings } from './crash-loop.ts';
import { planPod } from './plan-pod.ts';
import type { Plan } from './types.ts';

/** More than any plan of these specs needs: beyond it the plan goes round in circles. */
const MAX_ROUNDS = 40;

type Happening =
  | { readonly kind: 'exit'; readonly index: number; readonly exitCode: number }
  | { readonly kind: 'sandboxDies' }
  | { readonly kind: 'startsFail'; readonly index: number }
  | { readonly kind: 'startsSucceed' }
  | { readonly kind: 'imageChanges'; readonly index: number }
  | { readonly kind: 'time'; readonly ms: number };

const policy = fc.constantFrom('Always', 'OnFailure', 'Never');
const initContainer = fc.boolean().map((restarts) => (name: string) => (restarts ? sidecar(name) : container(name)));
const appContainer = fc
  .option(policy, { nil: undefined })
  .map((own) => (name: string) => container(name, own === undefined ? {} : { restartPolicy: own }));

const spec = fc.record({
  restartPolicy: policy,
  inits: fc.array(initContainer, { maxLength: 3 }),
  apps: fc.array(appContainer, { minLength: 1, maxLength: 3 }),
  ephemeral: fc.boolean(),
});

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant('exit' as const), index: fc.nat(6), exitCode: fc.constantFrom(0, 0, 1) }),
  fc.constant({ kind: 'sandboxDies' as const }),
  fc.record({ kind: fc.constant('startsFail' as const), index: fc.nat(6) }),
  fc.constant({ kind: 'startsSucceed' as const }),
  fc.record({ kind: fc.constant('imageChanges' as const), index: fc.nat(6) }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1000, 15_000, 400_000) }),
);

interface World {
  readonly clock: FakeClock;
  readonly runtime: FakeRuntime;
  readonly state: WorkerState;
}

function newWorld(pod: Pod): World {
  const clock = new FakeClock();
  return { clock, runtime: new FakeRuntime(clock), state: newWorkerState(pod, false) };
}

function planOf({ clock, runtime, state }: World, remove: boolean): Plan {
  const { pod, lifecycle, memory, termination } = state;
  return planPod({
    pod,
    observed: runtime.get('u'),
    lifecycle,
    termination: termination === undefined ? undefined : { ...termination, remove },
    memory,
    previous: undefined,
    probes: withoutProbes,
    settings: defaultPlanSettings,
    now: clock.now(),
  });
}

/** Plans and carries out until there is nothing to do, as the worker does. */
async function settle(world: World, remove = false): Promise<void> {
  const { clock, runtime, state } = world;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const plan = planOf(world, remove);
    checkPlan(world, plan);
    if (plan.finished) {
      end(world);
      continue;
    }
    if (plan.actions.length === 0) {
      if (state.lifecycle !== 'terminating' || plan.waiting.length > 0) return;
      state.lifecycle = 'terminated';
      continue;
    }
    noteStarts(state.memory, state.pod, runtime.get('u'), plan.actions, defaultPlanSettings, clock.now());
    const result = await runtime.execute({ pod: state.pod, observed: runtime.get('u') }, plan.actions, new AbortController().signal);
    noteResult(state.memory, result, clock.now(), () => 0.5);
  }
  throw new Error(`still not at rest:\n${runtime.log.slice(-20).join('\n')}`);
}

function end({ clock, state }: World): void {
  state.lifecycle = 'terminating';
  state.termination = { graceSeconds: 30, since: clock.now(), reason: 'over' };
}

/** What has to hold of every single plan. */
function checkPlan({ state, runtime }: World, { actions }: Plan): void {
  const observed = runtime.get('u');
  const starts = actions.filter((action) => action.kind === 'startContainer');
  if (state.lifecycle !== 'syncing') expect(starts).toEqual([]);
  expect(new Set(starts.map(({ container: name }) => name)).size).toBe(starts.length);
  const stopped = new Set(actions.flatMap((action) => (action.kind === 'stopContainer' ? [action.id] : [])));
  for (const { container: name, containerKind, attempt } of starts) {
    const instances = observed?.containers.filter(({ metadata }) => metadata.name === name) ?? [];
    expect(instances.every(({ id, state: now }) => now !== 'running' || stopped.has(id))).toBe(true);
    expect(instances.every(({ metadata }) => metadata.attempt < attempt)).toBe(true);
    if (containerKind === 'app') expectInitialized(state.pod, runtime);
  }
}

/** Every init container has had its success, or an app container runs, in the present sandbox. */
function expectInitialized({ spec: { initContainers = [], containers } }: Pod, runtime: FakeRuntime): void {
  const observed = runtime.get('u');
  const present = observed?.containers.filter(({ podSandboxId }) => podSandboxId === observed.sandboxes[0]?.id) ?? [];
  const has = ({ name }: ContainerSpec, ok: (exitCode: number, state: string) => boolean): boolean =>
    present.some((item) => item.metadata.name === name && ok(item.exitCode, item.state));
  const appThere = containers.some((app) => has(app, () => true));
  const last = initContainers.at(-1);
  if (appThere || last === undefined) return;
  expect(has(last, (exitCode, state) => (isSidecar(last) ? state === 'running' : state === 'exited' && exitCode === 0))).toBe(true);
}

async function happen(world: World, what: Happening): Promise<void> {
  const { clock, runtime, state } = world;
  const { initContainers = [], containers } = state.pod.spec;
  const all = [...initContainers, ...containers];
  const pick = (index: number): ContainerSpec | undefined => all[index % all.length];
  switch (what.kind) {
    case 'exit':
      runtime.exit('u', pick(what.index)?.name ?? '', what.exitCode);
      return;
    case 'sandboxDies':
      runtime.killSandbox('u');
      return;
    case 'startsFail':
      runtime.script.fails.set(`startContainer ${pick(what.index)?.name ?? ''}`, { reason: 'CreateContainerError', message: 'no' });
      return;
    case 'startsSucceed':
      runtime.script.fails.clear();
      return;
    case 'imageChanges': {
      const changed = pick(what.index);
      const update = (item: ContainerSpec): ContainerSpec => (item === changed ? { ...item, image: `${item.image ?? ''}x` } : item);
      state.pod = {
        ...state.pod,
        spec: { ...state.pod.spec, initContainers: initContainers.map(update), containers: containers.map(update) },
      };
      return;
    }
    case 'time':
      await clock.advance(what.ms);
  }
}

const history = fc.tuple(spec, fc.array(happening, { maxLength: 12 }));

function podOf({ restartPolicy, inits, apps, ephemeral }: typeof spec extends fc.Arbitrary<infer Spec> ? Spec : never): Pod {
  return testPod({
    restartPolicy,
    initContainers: inits.map((make, index) => make(`i${index}`)),
    containers: apps.map((make, index) => make(`c${index}`)),
    ...(ephemeral ? { ephemeralContainers: [{ name: 'debug', image: 'd' }] } : {}),
  });
}

test('whatever happens to a pod, its plan comes to rest, and a deletion leaves nothing behind', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ([given, happenings]) => {
      const world = newWorld(podOf(given));
      await settle(world);
      for (const what of happenings) {
        await happen(world, what);
        await settle(world);
      }
      if (world.state.lifecycle === 'syncing') end(world);
      await settle(world, true);
      await world.clock.advance(20_000);
      await settle(world, true);
      expect(world.state.lifecycle).toBe('terminated');
      expect(world.runtime.get('u')).toBeUndefined();
      expect(world.runtime.log).toContain('cleanUp');
    }),
    { numRuns: 300 },
  );
});

test('a pod to which nothing bad happens comes to run every app container, its init containers having succeeded one by one', async () => {
  await fc.assert(
    fc.asyncProperty(spec, async (given) => {
      const pod = podOf(given);
      const world = newWorld(pod);
      const { initContainers = [], containers } = pod.spec;
      for (const init of initContainers) if (!isSidecar(init)) world.runtime.script.exits.set(init.name, 0);
      await settle(world);
      const running = world.runtime.get('u')?.containers.filter(({ state }) => state === 'running') ?? [];
      const expected = [...initContainers.filter(isSidecar), ...containers, ...(pod.spec.ephemeralContainers ?? [])].map(
        ({ name }) => name,
      );
      expect(running.map(({ metadata }) => metadata.name).sort()).toEqual(expected.sort());
      expect(running.every(({ metadata }) => metadata.attempt === 0)).toBe(true);
      const order = world.runtime.log.filter((line) => line.startsWith('start i')).map((line) => line.slice(6, 8));
      expect(order).toEqual(initContainers.map(({ name }) => name));
    }),
    { numRuns: 200 },
  );
});
