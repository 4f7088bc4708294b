import { describe, expect, test } from 'vitest';
import type { ContainerSpec, PodStatus } from '../../api/types.ts';
import { container, deleted, instance, observe, sandbox, sidecar, START, testPod } from '../testing/builders.ts';
import { firstContainer, reported, statusInput } from '../testing/status-input.ts';
import type { ObservedPod } from '../types.ts';
import { podStatus } from './pod-status.ts';
import type { PodStatusInput } from './types.ts';

const web = container('web');
const pod = testPod({ containers: [web] }, { generation: 4 });

function status(observed: ObservedPod | undefined, extra: Partial<PodStatusInput> = {}, of = pod): PodStatus {
  return podStatus(statusInput(of, observed, extra));
}

const condition = (of: PodStatus, type: string): object | undefined => of.conditions?.find((entry) => entry.type === type);
const exited = (exitCode: number, extra: object = {}): ReturnType<typeof instance> =>
  instance(web, { state: 'exited', exitCode, ...extra });

describe('a new pod', () => {
  test('is Pending and its container is being created', () => {
    const fresh = status(undefined);
    expect(fresh).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort', startTime: '2026-01-01T00:01:00Z', observedGeneration: 4 });
    expect(firstContainer(fresh)).toEqual({
      name: 'web',
      image: 'web:1',
      imageID: '',
      ready: false,
      started: false,
      restartCount: 0,
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: {},
    });
  });

  test('with init containers waits for them', () => {
    const waiting = status(undefined, {}, testPod({ initContainers: [container('setup')], containers: [web] }));
    expect(firstContainer(waiting)?.state?.waiting?.reason).toBe('PodInitializing');
    expect(condition(waiting, 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [setup]',
    });
  });

  test('has every condition of the node, dated and with the generation', () => {
    const { conditions } = status(undefined);
    expect(conditions?.map(({ type, status: is }) => `${type} ${is}`)).toEqual([
      'PodReadyToStartContainers False',
      'Initialized True',
      'Ready False',
      'ContainersReady False',
      'PodScheduled True',
    ]);
    expect(
      conditions?.every(
        ({ lastTransitionTime, observedGeneration }) => lastTransitionTime === '2026-01-01T00:01:00Z' && observedGeneration === 4,
      ),
    ).toBe(true);
    expect(condition(status(undefined), 'PodReadyToStartContainers')).toMatchObject({
      reason: 'PodSandboxNotReady',
      message: 'no pod sandbox exists',
    });
    expect(condition(status(undefined), 'Ready')).toMatchObject({
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [web]',
    });
  });
});

describe('a running container', () => {
  test('has all its fields', () => {
    const spec: ContainerSpec = {
      ...web,
      resources: { requests: { cpu: '100m' }, limits: { cpu: '1' } },
      volumeMounts: [
        { name: 'data', mountPath: '/data' },
        { name: 'conf', mountPath: '/conf', readOnly: true },
      ],
    };
    const user = { uid: 1000, gid: 1000, supplementalGroups: [1000, 2000] };
    const running = { ...instance(spec, { attempt: 2 }), user, stopSignal: 'SIGQUIT' };
    expect(firstContainer(status(observe([sandbox()], [running]), {}, testPod({ containers: [spec] })))).toEqual({
      name: 'web',
      image: 'web:1',
      imageID: 'web:1@sha256:web',
      containerID: 'docker://web2',
      ready: true,
      started: true,
      restartCount: 2,
      state: { running: { startedAt: '2026-01-01T00:00:01Z' } },
      lastState: {},
      resources: { requests: { cpu: '100m' }, limits: { cpu: '1' } },
      allocatedResources: { cpu: '100m' },
      volumeMounts: [
        { name: 'data', mountPath: '/data' },
        { name: 'conf', mountPath: '/conf', readOnly: true, recursiveReadOnly: 'Disabled' },
      ],
      user: { linux: user },
      stopSignal: 'SIGQUIT',
    });
  });

  test('makes the pod Running and Ready, with its addresses', () => {
    const running = status(observe([sandbox()], [instance(web)]));
    expect(running).toMatchObject({
      phase: 'Running',
      hostIP: '192.0.2.1',
      hostIPs: [{ ip: '192.0.2.1' }],
      podIP: '10.1.0.7',
      podIPs: [{ ip: '10.1.0.7' }],
    });
    for (const type of ['Ready', 'ContainersReady', 'PodReadyToStartContainers'])
      expect(condition(running, type)).toMatchObject({ status: 'True' });
  });

  test('keeps the time of a condition that has not changed', () => {
    const before = status(observe([sandbox()], [instance(web)]));
    const later = status(observe([sandbox()], [instance(web)]), { previous: before, now: START + 999_000 });
    expect(later).toEqual(before);
  });
});

describe('an ended container', () => {
  test('says how it ended', () => {
    const terminationMessages = new Map([['web0', 'out of ideas']]);
    expect(firstContainer(status(observe([sandbox()], [exited(3)]), { terminationMessages }))?.state).toEqual({
      terminated: {
        exitCode: 3,
        reason: 'Error',
        message: 'out of ideas',
        startedAt: '2026-01-01T00:00:01Z',
        finishedAt: '2026-01-01T00:00:02Z',
        containerID: 'docker://web0',
      },
    });
  });

  test('that waits for its restart shows why, and its end as the last state', () => {
    const waiting = new Map([['web', { reason: 'CrashLoopBackOff', message: 'back-off 10s …' }]]);
    const crashed = status(observe([sandbox()], [exited(1, { attempt: 3 })]), { waiting });
    expect(firstContainer(crashed)).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s …' } },
      lastState: { terminated: { exitCode: 1, containerID: 'docker://web3' } },
      restartCount: 3,
    });
    expect(crashed.phase).toBe('Running');
  });

  test('that will not start again does not wait for anything', () => {
    const waiting = new Map([['web', { reason: 'ErrImagePull', message: 'old' }]]);
    const once = testPod({ restartPolicy: 'Never', containers: [web] });
    expect(firstContainer(status(observe([sandbox()], [exited(0)]), { waiting }, once))?.state?.terminated?.exitCode).toBe(0);
  });

  test('is the last state of the instance after it', () => {
    const observed = observe([sandbox()], [exited(137), instance(web, { attempt: 1 })]);
    expect(firstContainer(status(observed))).toMatchObject({
      restartCount: 1,
      state: { running: {} },
      lastState: { terminated: { exitCode: 137, containerID: 'docker://web0' } },
    });
  });

  test.each(['', 'ContainerCannotRun', 'OOMKilled'])('has the reason of the runtime (%j) or a plain one', (reason) => {
    const ended = { ...exited(1), reason };
    expect(firstContainer(status(observe([sandbox()], [ended])))?.state?.terminated?.reason).toBe(reason === '' ? 'Error' : reason);
  });

  test('has a message no longer than its share of what the pod may store, cut between characters', () => {
    const terminationMessages = new Map([['web0', 'ä'.repeat(10_000)]]);
    const message = firstContainer(status(observe([sandbox()], [exited(1)]), { terminationMessages }))?.state?.terminated?.message ?? '';
    expect(message).toBe('ä'.repeat(6144));
  });
});

describe('the phase', () => {
  const never = (initContainers: ContainerSpec[] = []): typeof pod =>
    testPod({ restartPolicy: 'Never', initContainers, containers: [web, container('db')] });
  const db = (facts: object): ReturnType<typeof instance> => instance(container('db'), facts);
  const ended = (exitCode: number): object => ({ state: 'exited', exitCode });
  const setup = container('setup');

  test.each<[string, typeof pod, ObservedPod | undefined, boolean, string]>([
    ['one of two runs', never(), observe([sandbox()], [exited(0), db({})]), false, 'Running'],
    ['one of two has not been created', never(), observe([sandbox()], [instance(web)]), false, 'Pending'],
    ['both succeeded', never(), observe([sandbox()], [exited(0), db(ended(0))]), true, 'Succeeded'],
    ['one failed', never(), observe([sandbox()], [exited(0), db(ended(2))]), true, 'Failed'],
    ['both ended and will be restarted', testPod({ containers: [web] }), observe([sandbox()], [exited(1)]), false, 'Running'],
    ['ended by a deletion, with success', testPod({ containers: [web] }), observe([sandbox()], [exited(0)]), true, 'Succeeded'],
    ['ended by a deletion, killed', testPod({ containers: [web] }), observe([sandbox()], [exited(137)]), true, 'Failed'],
    ['init container runs', never([setup]), observe([sandbox()], [instance(setup)]), false, 'Pending'],
    ['init container failed for good', never([setup]), observe([sandbox()], [instance(setup, ended(1))]), true, 'Failed'],
    [
      'init container failed and is tried again',
      testPod({ initContainers: [setup], containers: [web] }),
      observe([sandbox()], [instance(setup, ended(1))]),
      false,
      'Pending',
    ],
    [
      'sidecar runs, app runs',
      testPod({ initContainers: [sidecar('log')], containers: [web] }),
      observe([sandbox()], [instance(sidecar('log')), instance(web)]),
      false,
      'Running',
    ],
    [
      'sidecar restarts beside a running app',
      testPod({ initContainers: [sidecar('log')], containers: [web] }),
      observe([sandbox()], [instance(sidecar('log'), ended(1)), instance(web)]),
      false,
      'Running',
    ],
    [
      'sidecar was stopped last, app succeeded',
      testPod({ restartPolicy: 'Never', initContainers: [sidecar('log')], containers: [web] }),
      observe([sandbox()], [instance(sidecar('log'), ended(137)), exited(0)]),
      true,
      'Succeeded',
    ],
  ])('%s', (_title, of, observed, terminal, expected) => {
    expect(status(observed, { terminal }, of).phase).toBe(expected);
  });

  test('is not reported as terminal while anything may still run, but the pod is not ready any more', () => {
    const once = testPod({ restartPolicy: 'Never', containers: [web] });
    const held = status(observe([sandbox()], [exited(0)]), { previous: { phase: 'Running' } }, once);
    expect(held.phase).toBe('Running');
    expect(condition(held, 'Ready')).toMatchObject({ status: 'False', reason: 'PodCompleted' });
  });

  test('once terminal stays so, with its reason', () => {
    const over = { phase: 'Failed', reason: 'Evicted', message: 'low on memory' };
    expect(status(observe([sandbox()], [instance(web)]), { previous: over })).toMatchObject(over);
  });

  test('of a decision from outside has its words, when nothing runs any more', () => {
    const override = { phase: 'Failed' as const, reason: 'DeadlineExceeded', message: 'too long' };
    expect(status(observe([sandbox()], [instance(web)]), { override }).phase).toBe('Pending');
    expect(status(observe([sandbox()], [exited(0)]), { override, terminal: true })).toMatchObject(override);
  });

  test('of a static pod does not become terminal by its end on this node', () => {
    expect(status(observe([sandbox()], [exited(0)]), { terminal: true, isStatic: true }).phase).toBe('Running');
  });
});

describe('nothing goes backwards', () => {
  const before = reported('web', {
    containerID: 'docker://old',
    restartCount: 5,
    state: { running: { startedAt: '2025-01-01T00:00:00Z' } },
  });

  test('when the runtime has lost a running container: it counts as a restart, and its end as unknown', () => {
    const lost = status(undefined, { previous: { phase: 'Running', containerStatuses: [before] } });
    expect(firstContainer(lost)).toMatchObject({
      restartCount: 6,
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } },
    });
    expect(lost.phase).toBe('Running');
    expect(firstContainer(status(undefined, { previous: lost }))?.restartCount).toBe(6);
  });

  test('not counted as a restart in a pod that is being deleted', () => {
    const lost = status(undefined, { previous: { phase: 'Running', containerStatuses: [before] } }, deleted(pod));
    expect(firstContainer(lost)?.restartCount).toBe(5);
  });

  test('when a dead container was removed: its end stays as it was reported', () => {
    const dead = reported('web', { containerID: 'docker://old', restartCount: 2, state: { terminated: { exitCode: 3 } } });
    expect(firstContainer(status(undefined, { previous: { containerStatuses: [dead] } }))).toMatchObject({
      restartCount: 2,
      state: { terminated: { exitCode: 3 } },
    });
  });

  test('the last state of a container whose former instance was removed', () => {
    const old = reported('web', { containerID: 'docker://gone', restartCount: 1, state: { terminated: { exitCode: 9 } } });
    const running = status(observe([sandbox()], [instance(web, { attempt: 2 })]), { previous: { containerStatuses: [old] } });
    expect(firstContainer(running)).toMatchObject({ restartCount: 2, lastState: { terminated: { exitCode: 9 } } });
  });

  test('start time, addresses of a stopped sandbox, and the class', () => {
    const previous: PodStatus = {
      startTime: '2025-01-01T00:00:00Z',
      podIP: '10.9.9.9',
      podIPs: [{ ip: '10.9.9.9' }],
      qosClass: 'Guaranteed',
    };
    expect(status(observe([sandbox({ state: 'notready', ips: [] })], [exited(0)]), { previous })).toMatchObject(previous);
  });

  test('readiness of a container that runs on over a restart of the agent, until its probe has spoken', () => {
    const probed = { ...web, readinessProbe: {}, startupProbe: {} };
    const of = testPod({ containers: [probed] });
    const observed = observe([sandbox()], [instance(probed)]);
    const silent = { get: () => undefined };
    const was = reported('web', { containerID: 'docker://web0', ready: true, started: true });
    expect(firstContainer(status(observed, { probes: silent, previous: { containerStatuses: [was] } }, of))).toMatchObject({
      ready: true,
      started: true,
    });
    const other = reported('web', { containerID: 'docker://other', ready: true, started: true });
    expect(firstContainer(status(observed, { probes: silent, previous: { containerStatuses: [other] } }, of))).toMatchObject({
      ready: false,
      started: false,
    });
  });
});

test('an init container that was removed after the pod was initialized counts as completed', () => {
  const of = testPod({ initContainers: [container('setup')], containers: [web] });
  const running = status(observe([sandbox()], [instance(web)]), {}, of);
  expect(running.initContainerStatuses?.[0]).toMatchObject({ ready: true, state: { terminated: { exitCode: 0, reason: 'Completed' } } });
  expect(running.phase).toBe('Running');
});

test('init containers stay in their order, the others are sorted by name', () => {
  const of = testPod({ initContainers: [container('z'), container('a')], containers: [container('y'), container('b')] });
  const fresh = status(undefined, {}, of);
  expect(fresh.initContainerStatuses?.map(({ name }) => name)).toEqual(['z', 'a']);
  expect(fresh.containerStatuses?.map(({ name }) => name)).toEqual(['b', 'y']);
});
