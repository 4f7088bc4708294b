import { describe, expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { container, deleted, START, testPod } from './testing/builders.ts';
import { askForDeletion, started, type Loop } from './testing/loop.ts';

const phase = (loop: Loop, uid = 'u'): string | undefined => loop.api.get(uid)?.status?.phase;
const condition = (loop: Loop, type: string): string | undefined =>
  loop.api.get('u')?.status?.conditions?.find((entry) => entry.type === type)?.status;

test('a new pod is started and reported as ready, in one request', async () => {
  const loop = await started([testPod()]);
  expect(loop.runtime.log).toEqual(['prepareVolumes', 'sandbox 0', 'start web#0']);
  expect(phase(loop)).toBe('Running');
  expect(condition(loop, 'Ready')).toBe('True');
  expect(loop.api.patches).toHaveLength(1);
});

test('a start that takes long is reported while it lasts', async () => {
  const loop = await started([testPod()], { script: { takesMs: { createSandbox: 100, startContainer: 5000 } } });
  await loop.clock.advance(400);
  expect(phase(loop)).toBe('Pending');
  expect(condition(loop, 'PodReadyToStartContainers')).toBe('True');
  expect(loop.api.get('u')?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ContainerCreating');
  expect(loop.api.get('u')?.status?.podIP).toBe('10.1.0.7');
  expect(loop.workers.explain('u')?.executing.map(({ kind }) => kind)).toContain('startContainer');
  await loop.clock.advance(5000);
  expect(phase(loop)).toBe('Running');
});

test('a pod has one worker: however often it changes, plans are carried out one after another', async () => {
  const loop = await started([testPod()], { script: { takesMs: { startContainer: 1000 } } });
  for (let generation = 2; generation < 6; generation += 1) loop.apply(testPod({}, { generation }));
  await loop.clock.advance(5000);
  expect(loop.runtime.log.filter((line) => line.startsWith('start'))).toEqual(['start web#0']);
});

describe('deletion', () => {
  test('stops, cleans up, stores the last status, deletes the API object and only then removes the remains', async () => {
    const loop = await started([testPod()]);
    loop.runtime.log.length = 0;
    askForDeletion(loop, 5);
    await settle();
    expect(loop.runtime.log).toEqual(['stop web 5', 'stopSandbox u-s0', 'cleanUp', 'remove web', 'removeSandbox u-s0']);
    expect(loop.api.log).toEqual(['patch Running', 'patch Failed', 'delete p 0']);
    expect(loop.api.get('u')).toBeUndefined();
  });

  test('is forgotten when the watch says that the object has gone', async () => {
    const loop = await started([testPod()]);
    const gone: string[] = [];
    loop.workers.onLifecycle((_pod, lifecycle) => gone.push(lifecycle));
    askForDeletion(loop, 30);
    await settle();
    loop.pods.remove('api', deleted(testPod(), 0));
    await settle();
    expect(gone).toEqual(['terminating', 'terminated', 'gone']);
    expect(loop.workers.uids()).toEqual([]);
    expect(loop.status.get('u')).toBeUndefined();
  });

  test('interrupts a start that hangs, and nothing is started any more', async () => {
    const loop = await started([testPod({ containers: [container('web'), container('db')] })], {
      script: { takesMs: { 'startContainer web': 600_000 } },
    });
    await loop.clock.advance(1000);
    askForDeletion(loop, 30);
    await settle();
    expect(loop.runtime.log).toContain('aborted startContainer web');
    expect(loop.runtime.log.some((line) => line.startsWith('start '))).toBe(false);
    expect(loop.api.get('u')).toBeUndefined();
    expect(loop.events).toEqual([]);
  });

  test('with a shorter grace period overtakes one with a longer', async () => {
    const loop = await started([testPod()], { script: { takesMs: { stopContainer: 25_000 } } });
    askForDeletion(loop, 3600);
    await loop.clock.advance(1000);
    askForDeletion(loop, 10);
    await loop.clock.advance(30_000);
    expect(loop.runtime.log).toContain('aborted stopContainer web');
    expect(loop.runtime.log).toContain('stop web 10');
  });

  test('with a longer one changes nothing', async () => {
    const loop = await started([testPod()], { script: { takesMs: { stopContainer: 5000 } } });
    askForDeletion(loop, 10);
    await loop.clock.advance(1000);
    askForDeletion(loop, 60);
    await loop.clock.advance(10_000);
    expect(loop.runtime.log.filter((line) => line.includes('stopContainer') || line.startsWith('stop web'))).toEqual(['stop web 10']);
  });

  test('by force, which takes the object away at once, still stops and removes everything', async () => {
    const loop = await started([testPod()]);
    loop.pods.remove('api', deleted(testPod(), 0));
    await settle();
    expect(loop.runtime.get('u')).toBeUndefined();
    expect(loop.runtime.log).toContain('stop web 2');
    expect(loop.runtime.log).toContain('cleanUp');
    expect(loop.workers.uids()).toEqual([]);
  });

  test('of a pod that has ended already deletes the API object without stopping anything again', async () => {
    const pod = testPod({ restartPolicy: 'Never' });
    const loop = await started([pod], { script: { exits: new Map([['web', 0]]) } });
    expect(phase(loop)).toBe('Succeeded');
    loop.runtime.log.length = 0;
    askForDeletion(loop, 30);
    await settle();
    expect(loop.runtime.log).toEqual(['remove web', 'removeSandbox u-s0']);
    expect(loop.api.get('u')).toBeUndefined();
  });
});

describe('the end of the containers', () => {
  test.each([
    [0, 'Succeeded'],
    [3, 'Failed'],
  ])('exit code %i of a pod that never restarts ends it as %s; its remains stay for logs', async (exitCode, expected) => {
    const loop = await started([testPod({ restartPolicy: 'Never' })]);
    loop.runtime.exit('u', 'web', exitCode);
    await settle();
    expect(phase(loop)).toBe(expected);
    expect(loop.runtime.log.slice(3)).toEqual(['stopSandbox u-s0', 'cleanUp']);
    expect(loop.runtime.get('u')?.containers).toHaveLength(1);
    expect(loop.api.get('u')?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(exitCode);
  });

  test('a terminal phase is not reported while something still runs', async () => {
    const pod = testPod({
      restartPolicy: 'Never',
      containers: [container('web')],
      initContainers: [container('log', { restartPolicy: 'Always' })],
    });
    const loop = await started([pod], { script: { takesMs: { 'stopContainer log': 5000 } } });
    loop.runtime.exit('u', 'web', 0);
    await loop.clock.advance(4000);
    expect(phase(loop)).toBe('Running');
    await loop.clock.advance(2000);
    expect(phase(loop)).toBe('Succeeded');
  });

  test('crashes are restarted after ten seconds, then twenty, with an event for each wait', async () => {
    const loop = await started([testPod()], { script: { exits: new Map([['web', 1]]) } });
    // The first restart comes at once; the second waits.
    expect(loop.runtime.log.filter((line) => line.startsWith('start'))).toEqual(['start web#0', 'start web#1']);
    expect(loop.api.get('u')?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('CrashLoopBackOff');
    await loop.clock.advance(9_999);
    expect(loop.runtime.log.at(-1)).not.toBe('start web#2');
    await loop.clock.advance(1);
    expect(loop.runtime.log).toContain('start web#2');
    await loop.clock.advance(19_999);
    expect(loop.runtime.log).not.toContain('start web#3');
    await loop.clock.advance(1);
    expect(loop.runtime.log).toContain('start web#3');
    expect(loop.events.filter((event) => event.includes('BackOff'))).toHaveLength(3);
    expect(loop.events[0]).toBe('Warning BackOff Back-off restarting failed container web in pod p_n(u)');
    expect(phase(loop)).toBe('Running');
  });

  test('the deadline ends a pod as failed', async () => {
    const loop = await started([testPod({ activeDeadlineSeconds: 60 })]);
    await loop.clock.advance(59_000);
    expect(phase(loop)).toBe('Running');
    await loop.clock.advance(1000);
    expect(phase(loop)).toBe('Failed');
    expect(loop.api.get('u')?.status?.reason).toBe('DeadlineExceeded');
    expect(loop.runtime.log).toContain('stop web 30');
  });

  test('an eviction says its own words', async () => {
    const loop = await started([testPod()]);
    loop.workers.evict('u', {
      reason: 'low on memory',
      graceSeconds: 0,
      override: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' },
    });
    await settle();
    expect(loop.api.get('u')?.status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' });
  });
});

describe('failures', () => {
  test('of a start are shown, told once, tried again and forgotten', async () => {
    const fails = new Map([['startContainer web', { reason: 'CreateContainerConfigError', message: 'secret "x" not found' }]]);
    const loop = await started([testPod()], { script: { fails } });
    expect(loop.api.get('u')?.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'secret "x" not found',
    });
    expect(loop.events).toEqual(['Warning Failed Error: secret "x" not found']);
    expect(loop.workers.explain('u')?.waiting).toEqual([
      { container: 'web', reason: 'CreateContainerConfigError', message: 'secret "x" not found', until: START + 1000, since: START },
    ]);
    fails.clear();
    await loop.clock.advance(1000);
    expect(phase(loop)).toBe('Running');
  });

  test('of a start do not outlive a change of the image', async () => {
    const fails = new Map([['startContainer web', { reason: 'ErrImagePull', message: 'no' }]]);
    const loop = await started([testPod()], { script: { fails } });
    fails.clear();
    loop.apply(testPod({ containers: [{ name: 'web', image: 'other' }] }, { generation: 2 }));
    await settle();
    expect(phase(loop)).toBe('Running');
  });

  test('of the sandbox are tried again with a growing pause', async () => {
    const fails = new Map([['createSandbox', { reason: 'FailedCreatePodSandBox', message: 'no address left' }]]);
    const loop = await started([testPod()], { script: { fails } });
    await loop.clock.advance(6_999);
    expect(loop.events).toHaveLength(3);
    fails.clear();
    await loop.clock.advance(1);
    expect(phase(loop)).toBe('Running');
  });

  test('after a plan was carried out, nothing is planned from an old observation', async () => {
    const loop = await started();
    loop.runtime.refreshFails = true;
    loop.apply(testPod());
    await loop.clock.advance(5000);
    expect(loop.runtime.log).toEqual(['prepareVolumes', 'sandbox 0', 'start web#0']);
    expect(loop.workers.explain('u')?.executing).toEqual([]);
    expect(loop.runtime.refreshes).toBeGreaterThan(1);
    const before = loop.runtime.refreshes;
    loop.runtime.refreshFails = false;
    await loop.clock.advance(10_000);
    expect(loop.runtime.refreshes).toBe(before + 1);
    expect(phase(loop)).toBe('Running');
  });
});

test('readiness follows the probes', async () => {
  let outcome: 'success' | 'failure' = 'failure';
  const listeners = new Set<(uid: string) => void>();
  const probes = {
    get: () => outcome,
    onChange: (listener: (uid: string) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const loop = await started([testPod({ containers: [{ ...container('web'), readinessProbe: {} }] })], { probes });
  expect(condition(loop, 'Ready')).toBe('False');
  outcome = 'success';
  for (const listener of listeners) listener('u');
  await settle();
  expect(condition(loop, 'Ready')).toBe('True');
});

test('at rest nothing is done, whatever time passes', async () => {
  const loop = await started([testPod()]);
  const before = [loop.runtime.log.length, loop.api.patches.length];
  await loop.clock.advance(3_600_000);
  expect([loop.runtime.log.length, loop.api.patches.length]).toEqual(before);
  expect(loop.clock.pendingTimers).toBe(0);
});

test('after stop nothing is started or stopped any more', async () => {
  const loop = await started([testPod()], { script: { takesMs: { startContainer: 60_000 } } });
  await loop.clock.advance(500);
  await loop.workers.stop();
  await loop.status.stop();
  askForDeletion(loop, 30);
  await loop.clock.advance(120_000);
  expect(loop.runtime.log.filter((line) => line.startsWith('st'))).toEqual([]);
  expect(loop.clock.pendingTimers).toBe(0);
});
