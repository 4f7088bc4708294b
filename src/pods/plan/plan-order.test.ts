import { describe, expect, test } from 'vitest';
import type { ContainerSpec, Pod } from '../../api/types.ts';
import { container, freshMemory, instance, observe, planInput, sandbox, sidecar, START, testPod } from '../testing/builders.ts';
import { failing, words } from '../testing/plan-words.ts';
import type { ObservedPod } from '../types.ts';
import { planPod } from './plan-pod.ts';
import type { Plan, PlanInput } from './types.ts';

const web = container('web');
const db = container('db');

function plan(pod: Pod, observed: ObservedPod | undefined, extra: Partial<PlanInput> = {}): Plan {
  return planPod(planInput(pod, observed, extra));
}

describe('init containers', () => {
  const [one, two] = [container('one'), container('two')];
  const pod = testPod({ initContainers: [one, two], containers: [web] });
  const done = (spec: ContainerSpec): ReturnType<typeof instance> => instance(spec, { state: 'exited' });

  test.each<[string, ObservedPod | undefined, string[]]>([
    ['the first starts with the sandbox', undefined, ['volumes', 'sandbox 0', 'start one#0 in the new sandbox']],
    ['while it runs the others wait', observe([sandbox()], [instance(one)]), []],
    ['the second follows the first', observe([sandbox()], [done(one)]), ['volumes', 'start two#0']],
    ['a failed one is tried again', observe([sandbox()], [instance(one, { state: 'exited', exitCode: 1 })]), ['volumes', 'start one#1']],
    ['after the last the app containers start', observe([sandbox()], [done(one), done(two)]), ['volumes', 'start web#0']],
    ['those that were removed after their success do not run again', observe([sandbox()], [done(two)]), ['volumes', 'start web#0']],
    ['nor when an app container runs and all were removed', observe([sandbox()], [instance(web)]), []],
    ['a created one makes room', observe([sandbox()], [instance(one, { state: 'created' })]), ['removeContainer one0']],
  ])('%s', (_title, observed, expected) => {
    expect(words(plan(pod, observed))).toEqual(expected);
  });

  test('that runs is what the pod waits for', () => {
    expect(plan(pod, observe([sandbox()], [instance(one)])).waiting).toEqual([
      { container: 'one', reason: 'PodInitializing', message: 'init container one runs, the pod waits for it to end' },
    ]);
  });

  test('that fails finishes a pod that never restarts', () => {
    const once = testPod({ restartPolicy: 'Never', initContainers: [one, two], containers: [web] });
    expect(plan(once, observe([sandbox()], [instance(one, { state: 'exited', exitCode: 1 })])).finished).toBe(true);
    expect(plan(once, observe([sandbox()], [done(one)])).finished).toBe(false);
  });

  test('start over in a new sandbox: their remains of the old one are removed', () => {
    const lost = observe([sandbox({ state: 'notready' })], [done(one), done(two), instance(web, { state: 'exited', exitCode: 137 })]);
    expect(words(plan(pod, lost))).toEqual(
      ['stopSandbox s0', 'removeContainer two0', 'removeContainer one0'].sort((a, b) => order(a) - order(b)),
    );
    const purged = observe([sandbox({ state: 'notready' })], [instance(web, { state: 'exited', exitCode: 137 })]);
    const memory = { ...freshMemory, stoppedSandboxes: new Set(['s0']) };
    expect(words(plan(pod, purged, { memory }))).toEqual(['volumes', 'sandbox 1', 'start one#0 in the new sandbox']);
  });

  /** Containers of one age come in the order they were given. */
  function order(text: string): number {
    return ['stopSandbox s0', 'removeContainer one0', 'removeContainer two0'].indexOf(text);
  }

  test('of an old sandbox say nothing about the new one', () => {
    const observed = observe([sandbox({ state: 'notready' }), sandbox({ attempt: 1 })], [done(one), done(two)]);
    expect(words(plan(pod, observed, { memory: { ...freshMemory, stoppedSandboxes: new Set(['s0']) } }))).toEqual([
      'volumes',
      'start one#1',
    ]);
  });
});

describe('sidecars', () => {
  const log = sidecar('log');
  const setup = container('setup');
  const pod = testPod({ initContainers: [log, setup], containers: [web] });

  test('the next init container starts as soon as the sidecar runs', () => {
    expect(words(plan(pod, observe([sandbox()], [instance(log)])))).toEqual(['volumes', 'start setup#0']);
  });

  test('or, with a startup probe, when that has succeeded', () => {
    const probed = { ...log, startupProbe: {} };
    const slow = testPod({ initContainers: [probed, setup], containers: [web] });
    const running = observe([sandbox()], [instance(probed)]);
    expect(words(plan(slow, running, { probes: { get: () => undefined } }))).toEqual([]);
    expect(words(plan(slow, running))).toEqual(['volumes', 'start setup#0']);
  });

  test('one that ended is started again before and after initialization, in the order of the spec', () => {
    const ended = instance(log, { state: 'exited' });
    expect(words(plan(pod, observe([sandbox()], [ended, instance(setup)])))).toEqual(['volumes', 'start log#1']);
    const running = observe([sandbox()], [ended, instance(setup, { state: 'exited' }), instance(web)]);
    expect(words(plan(pod, running))).toEqual(['volumes', 'start log#1']);
  });

  test('the last one lets the app containers start', () => {
    const last = testPod({ initContainers: [setup, log], containers: [web] });
    const observed = observe([sandbox()], [instance(setup, { state: 'exited' }), instance(log)]);
    expect(words(plan(last, observed))).toEqual(['volumes', 'start web#0']);
  });

  test('do not keep a pod alive whose app containers have ended for good', () => {
    const once = testPod({ restartPolicy: 'Never', initContainers: [log], containers: [web] });
    expect(plan(once, observe([sandbox()], [instance(log), instance(web, { state: 'exited' })])).finished).toBe(true);
  });

  test('are restarted when their liveness probe fails or their image changes', () => {
    const probed = { ...log, livenessProbe: {} };
    const live = testPod({ initContainers: [probed], containers: [web] });
    const observed = observe([sandbox()], [instance(probed), instance(web)]);
    expect(words(plan(live, observed, { probes: failing('log0', 'liveness') }))).toEqual(['volumes', 'stop log 30', 'start log#1']);
    const changed = testPod({ initContainers: [{ ...probed, image: 'log:2' }], containers: [web] });
    expect(words(plan(changed, observed))).toEqual(['volumes', 'stop log 30', 'start log#1']);
  });
});

describe('ephemeral containers', () => {
  const debug = { name: 'debug', image: 'busybox' };
  const pod = testPod({ ephemeralContainers: [debug], containers: [web] });

  test('start beside the running ones, also while the pod initializes', () => {
    expect(words(plan(pod, observe([sandbox()], [instance(web)])))).toEqual(['volumes', 'start debug#0']);
    const initializing = testPod({ ephemeralContainers: [debug], initContainers: [container('i')], containers: [web] });
    expect(words(plan(initializing, observe([sandbox()], [instance(container('i'))])))).toEqual(['volumes', 'start debug#0']);
  });

  test('never start twice, even when they are gone', () => {
    expect(words(plan(pod, observe([sandbox()], [instance(web), instance(debug, { state: 'exited' })])))).toEqual([]);
    const status = { name: 'debug', image: '', imageID: '', ready: false, restartCount: 0, containerID: 'docker://d' };
    const previous = { ephemeralContainerStatuses: [status] };
    expect(words(plan(pod, observe([sandbox()], [instance(web)]), { previous }))).toEqual([]);
  });
});

test('while nothing else is to be done, older dead instances and empty old sandboxes go', () => {
  const dead = (attempt: number): ReturnType<typeof instance> => instance(web, { state: 'exited', exitCode: 1, attempt, sandbox: 's1' });
  const observed = observe(
    [sandbox({ attempt: 0, state: 'notready' }), sandbox({ attempt: 1 })],
    [dead(1), dead(2), dead(3), instance(web, { attempt: 4, sandbox: 's1' })],
  );
  expect(words(plan(testPod({ containers: [web] }), observed))).toEqual([
    'removeContainer web2',
    'removeContainer web1',
    'stopSandbox s0',
    'removeSandbox s0',
  ]);
});

describe('ending', () => {
  const termination = { graceSeconds: 30, since: START + 60_000, remove: true, reason: 'the pod is deleted' };
  const ending = { lifecycle: 'terminating', termination } as const;

  test('containers stop together, then the sandbox', () => {
    const pod = testPod({ containers: [web, db], ephemeralContainers: [{ name: 'debug', image: 'b' }] });
    const observed = observe([sandbox()], [instance(web), instance(db), instance(container('debug'))]);
    expect(words(plan(pod, observed, ending)).sort()).toEqual(['stop db 30', 'stop debug 30', 'stop web 30', 'stopSandbox s0']);
  });

  test('the grace period counts from the beginning of the end', () => {
    const observed = observe([sandbox()], [instance(web)]);
    const later = (ms: number): string[] =>
      words(plan(testPod({ containers: [web] }), observed, { ...ending, now: termination.since + ms }));
    expect(later(10_000)).toEqual(['stop web 20', 'stopSandbox s0']);
    expect(later(60_000)).toEqual(['stop web 2', 'stopSandbox s0']);
  });

  test('sidecars are in the same plan: their hooks begin with those of the others, their signal waits for its turn', () => {
    const pod = testPod({ initContainers: [sidecar('a')], containers: [web] });
    const observed = observe([sandbox()], [instance(sidecar('a')), instance(web)]);
    expect(words(plan(pod, observed, ending)).sort()).toEqual(['stop a 30', 'stop web 30', 'stopSandbox s0']);
  });

  test('a sandbox that died by itself is stopped once by this process, for its network', () => {
    const observed = observe([sandbox({ state: 'notready' })]);
    expect(words(plan(testPod(), observed, ending))).toEqual(['stopSandbox s0']);
    const memory = { ...freshMemory, stoppedSandboxes: new Set(['s0']) };
    expect(words(plan(testPod(), observed, { ...ending, memory }))).toEqual([]);
  });

  test('a stop that failed waits before it is tried again', () => {
    const podFailure = { reason: 'KillContainerError', message: 'engine is stuck', retryAt: START + 61_000, blocks: 'all' as const };
    const result = plan(testPod({ containers: [web] }), observe([sandbox()], [instance(web)]), {
      ...ending,
      memory: { ...freshMemory, podFailure },
    });
    expect(result.actions).toEqual([]);
    expect(result.waiting.map(({ reason }) => reason)).toContain('KillContainerError');
    expect(result.wakeAt).toBe(START + 61_000);
  });

  test('afterwards the node is cleaned up, and what is left is removed when the pod is', () => {
    const remains = observe([sandbox({ state: 'notready' })], [instance(web, { state: 'exited' })]);
    const memory = { ...freshMemory, stoppedSandboxes: new Set(['s0']) };
    const ended = { lifecycle: 'terminated', termination } as const;
    expect(words(plan(testPod(), remains, { ...ended, memory }))).toEqual(['cleanUp']);
    const clean = { ...memory, cleanedUp: true };
    expect(words(plan(testPod(), remains, { ...ended, memory: clean }))).toEqual(['removeContainer web0', 'removeSandbox s0']);
    const kept = { ...termination, remove: false };
    expect(words(plan(testPod(), remains, { ...ended, termination: kept, memory: clean }))).toEqual([]);
  });

  test('what turns up after the end is stopped without delay', () => {
    const memory = { ...freshMemory, cleanedUp: true };
    const late = observe([sandbox()], [instance(web)]);
    expect(words(plan(testPod(), late, { lifecycle: 'terminated', termination, memory }))).toEqual(['stop web 2', 'stopSandbox s0']);
  });
});
