import { describe, expect, test } from 'vitest';
import type { Pod } from '../api/types.ts';
import { settle } from '../lib/fake-clock.ts';
import { container, deleted, instance, observe, sandbox, testPod } from './testing/builders.ts';
import { askForDeletion, newLoop, started, type Loop } from './testing/loop.ts';

const phase = (loop: Loop, uid = 'u'): string | undefined => loop.api.get(uid)?.status?.phase;

describe('a restart of the agent', () => {
  const web = container('web');
  const running = observe([sandbox()], [instance(web, { attempt: 3 })]);
  const status = {
    phase: 'Running',
    startTime: '2025-12-31T00:00:00Z',
    containerStatuses: [{ name: 'web', image: 'web:1', imageID: '', ready: true, restartCount: 3, containerID: 'docker://web3' }],
  };

  test('adopts what runs: nothing is started or stopped, and the status goes on from where it was', async () => {
    const loop = newLoop();
    loop.runtime.seed('u', running);
    loop.pods.replace('api', [loop.api.put(testPod({ containers: [web] }, {}, status))]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.runtime.log).toEqual(['prepareVolumes']);
    expect(loop.api.get('u')?.status).toMatchObject({ phase: 'Running', startTime: '2025-12-31T00:00:00Z' });
    expect(loop.api.get('u')?.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 3, ready: true });
  });

  test('admits what runs before what does not, whatever their age', async () => {
    const cpu = (uid: string, created: string): Pod =>
      testPod({ containers: [{ ...web, resources: { requests: { cpu: '1500m' } } }] }, { uid, name: uid, creationTimestamp: created });
    const loop = newLoop();
    loop.runtime.seed('b', { sandboxes: [sandbox()], containers: [instance(web)] }, { name: 'b', namespace: 'n' });
    const pods = [cpu('a', '2025-01-01T00:00:00Z'), cpu('b', '2025-06-01T00:00:00Z')].map((pod) => loop.api.put(pod));
    loop.pods.replace('api', pods);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.api.get('a')?.status).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu' });
    expect(phase(loop, 'b')).toBe('Running');
  });

  test('goes on with the back-off of a container that crashes', async () => {
    const loop = newLoop();
    const waiting = {
      ...status.containerStatuses[0],
      name: 'web',
      image: 'web:1',
      imageID: '',
      ready: false,
      restartCount: 3,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 1m20s restarting failed container=web pod=p_n(u)' } },
      lastState: { terminated: { exitCode: 1, startedAt: '2026-01-01T00:00:01Z' } },
    };
    loop.runtime.seed('u', observe([sandbox()], [instance(web, { state: 'exited', exitCode: 1, attempt: 3 })]));
    loop.pods.replace('api', [loop.api.put(testPod({ containers: [web] }, {}, { ...status, containerStatuses: [waiting] }))]);
    await loop.workers.start(loop.stop.signal);
    // It ended at second 2: the restart is due 80 seconds later.
    await loop.clock.advance(81_999);
    expect(loop.runtime.log).toEqual(['prepareVolumes']);
    await loop.clock.advance(1);
    expect(loop.runtime.log).toContain('start web#4');
  });

  test('leaves the status of a pod that it had refused as it was', async () => {
    const refused = { phase: 'Failed', reason: 'NodeAffinity', message: 'Pod was rejected' };
    const loop = await started([testPod({}, {}, refused)]);
    expect(loop.api.get('u')?.status).toEqual(refused);
    expect(loop.api.patches).toEqual([]);
  });

  test('ends a pod that was deleted meanwhile', async () => {
    const loop = newLoop();
    loop.runtime.seed('u', running);
    loop.pods.replace('api', [loop.api.put(deleted(testPod({ containers: [web] }, {}, status)))]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.api.get('u')).toBeUndefined();
    expect(loop.runtime.get('u')).toBeUndefined();
  });

  test('leaves a pod that had ended as it is', async () => {
    const loop = newLoop();
    loop.runtime.seed('u', observe([sandbox({ state: 'notready' })], [instance(web, { state: 'exited' })]));
    const ended = { ...status, phase: 'Succeeded' };
    loop.pods.replace('api', [loop.api.put(testPod({ restartPolicy: 'Never', containers: [web] }, {}, ended))]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.runtime.log).toEqual(['stopSandbox s0', 'cleanUp']);
    expect(phase(loop)).toBe('Succeeded');
  });
});

describe('what nobody desires', () => {
  const web = container('web');

  test('is ended and removed, but only when every source has been heard', async () => {
    const loop = newLoop({ sources: ['api', 'file'] });
    loop.runtime.seed('x', { sandboxes: [sandbox()], containers: [instance(web)] });
    loop.pods.replace('api', []);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.runtime.log).toEqual([]);
    loop.pods.replace('file', []);
    await settle();
    expect(loop.runtime.log).toEqual(['stop web 2', 'stopSandbox s0', 'cleanUp', 'remove web', 'removeSandbox s0']);
    expect(loop.workers.uids()).toEqual([]);
    expect(loop.api.log).toEqual([]);
  });

  test('and turns up later, is ended as well', async () => {
    const loop = await started();
    loop.runtime.seed('x', { sandboxes: [sandbox()], containers: [instance(web)] });
    loop.runtime.exit('x', 'nothing', 0);
    await settle();
    expect(loop.runtime.get('x')).toBeUndefined();
  });
});

test('a pod that the node does not take is failed and nothing of it is started; its deletion goes through', async () => {
  const pod = testPod({ nodeSelector: { disk: 'ssd' } });
  const loop = await started([pod]);
  expect(loop.runtime.log).toEqual([]);
  expect(loop.api.get('u')?.status).toMatchObject({
    phase: 'Failed',
    reason: 'NodeAffinity',
    message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  });
  expect(loop.events).toEqual(["Warning NodeAffinity Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"]);
  askForDeletion(loop, 30);
  await settle();
  expect(loop.api.get('u')).toBeUndefined();
});

describe('static pods', () => {
  const manifest = (uid: string): Pod =>
    testPod({}, { uid, annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': uid } });

  test('run without any API server', async () => {
    const loop = newLoop({ sources: ['file', 'api'] });
    loop.pods.replace('file', [manifest('a')]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    expect(loop.runtime.log).toContain('start web#0');
  });

  test('of a changed manifest start when the old one has gone', async () => {
    const loop = newLoop({ sources: ['file'], script: { takesMs: { stopContainer: 5000 } } });
    loop.pods.replace('file', [manifest('a')]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    loop.pods.replace('file', [manifest('b')]);
    await loop.clock.advance(4000);
    expect(loop.runtime.get('b')).toBeUndefined();
    expect(loop.workers.explain('b')?.waiting[0]?.message).toContain('has not gone yet');
    await loop.clock.advance(2000);
    expect(loop.runtime.get('a')).toBeUndefined();
    expect(loop.runtime.get('b')?.containers).toHaveLength(1);
  });

  test('that are taken away and put back end once and start once', async () => {
    const loop = newLoop({ sources: ['file'], script: { takesMs: { stopContainer: 5000 } } });
    loop.pods.replace('file', [manifest('a')]);
    await loop.workers.start(loop.stop.signal);
    await settle();
    loop.pods.replace('file', []);
    await loop.clock.advance(1000);
    loop.pods.replace('file', [manifest('a')]);
    await loop.clock.advance(10_000);
    expect(loop.runtime.log.filter((line) => /^(start|stop|remove) web/.test(line))).toEqual([
      'start web#0',
      'stop web 30',
      'remove web',
      'start web#0',
    ]);
  });
});
