import { describe, expect, test } from 'vitest';
import type { ContainerSpec, Pod } from '../../api/types.ts';
import type { ObservedPod } from '../types.ts';
import { failing, words } from '../testing/plan-words.ts';
import { container, freshMemory, instance, observe, planInput, sandbox, START, testPod } from '../testing/builders.ts';
import { planPod } from './plan-pod.ts';
import type { Plan, PlanInput } from './types.ts';

const web = container('web');
const db = container('db');

function plan(pod: Pod, observed: ObservedPod | undefined, extra: Partial<PlanInput> = {}): Plan {
  return planPod(planInput(pod, observed, extra));
}

test('a new pod gets its volumes, a sandbox and all app containers at once', () => {
  expect(words(plan(testPod({ containers: [web, db] }), undefined))).toEqual([
    'volumes',
    'sandbox 0',
    'start web#0 in the new sandbox',
    'start db#0 in the new sandbox',
  ]);
});

test('a pod whose containers run needs nothing', () => {
  expect(plan(testPod({ containers: [web] }), observe([sandbox()], [instance(web)]))).toEqual({
    actions: [],
    waiting: [],
    finished: false,
  });
});

test('containers that run before this process began are adopted: only their volumes are looked after', () => {
  const memory = { ...freshMemory, volumesPrepared: false };
  expect(words(plan(testPod({ containers: [web] }), observe([sandbox()], [instance(web)]), { memory }))).toEqual(['volumes']);
});

test('every action says why', () => {
  const { actions } = plan(testPod({ containers: [web, db] }), undefined);
  for (const { reason } of actions) expect(reason).not.toBe('');
});

describe('an app container that has ended', () => {
  const cases: readonly (readonly [pod: string, own: Partial<ContainerSpec>, exitCode: number, starts: boolean])[] = [
    ['Always', {}, 0, true],
    ['Always', {}, 1, true],
    ['OnFailure', {}, 0, false],
    ['OnFailure', {}, 1, true],
    ['Never', {}, 0, false],
    ['Never', {}, 1, false],
    ['Never', { restartPolicy: 'Always' }, 0, true],
    ['Never', { restartPolicy: 'OnFailure' }, 3, true],
    ['Always', { restartPolicy: 'Never' }, 1, false],
    [
      'Never',
      { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] },
      42,
      true,
    ],
    [
      'Never',
      { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] },
      43,
      false,
    ],
    [
      'Never',
      { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [0] } }] },
      7,
      true,
    ],
  ];
  test.each(cases)('pod policy %s, own policy %j, exit code %i: starts again: %s', (restartPolicy, own, exitCode, starts) => {
    const ended = { ...web, ...own };
    const pod = testPod({ restartPolicy, containers: [ended, db] });
    const result = plan(pod, observe([sandbox()], [instance(ended, { state: 'exited', exitCode }), instance(db)]));
    expect(words(result)).toEqual(starts ? ['volumes', 'start web#1'] : []);
    expect(result.finished).toBe(false);
  });

  test('of a pod whose other containers have ended for good too, the pod is finished', () => {
    const pod = testPod({ restartPolicy: 'OnFailure', containers: [web, db] });
    const exited = [instance(web, { state: 'exited' }), instance(db, { state: 'exited' })];
    expect(plan(pod, observe([sandbox()], exited))).toEqual({ actions: [], waiting: [], finished: true });
  });

  test('and has been removed behind our back does not run a second time', () => {
    const pod = testPod({ restartPolicy: 'Never', containers: [web] });
    const status = { name: 'web', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } };
    expect(plan(pod, undefined, { previous: { containerStatuses: [status] } }).finished).toBe(true);
  });
});

test('the restart count goes on where the status had it when the runtime has lost the container', () => {
  const status = { name: 'web', image: '', imageID: '', ready: true, restartCount: 4, containerID: 'docker://x', state: { running: {} } };
  const result = plan(testPod({ containers: [web] }), undefined, { previous: { containerStatuses: [status] } });
  expect(words(result)).toContain('start web#5 in the new sandbox');
});

describe('a running app container is stopped and started', () => {
  test('when its image has changed, whatever its policy says', () => {
    const pod = testPod({ restartPolicy: 'Never', containers: [{ ...web, image: 'web:2' }] });
    expect(words(plan(pod, observe([sandbox()], [instance(web)])))).toEqual(['volumes', 'stop web 30', 'start web#1']);
  });

  test('when its liveness probe fails, with the grace period of the probe', () => {
    const probed = { ...web, livenessProbe: { terminationGracePeriodSeconds: 5 } };
    const result = plan(testPod({ containers: [probed] }), observe([sandbox()], [instance(probed)]), {
      probes: failing('web0', 'liveness'),
    });
    expect(words(result)).toEqual(['volumes', 'stop web 5', 'start web#1']);
    expect(result.actions[1]).toMatchObject({ message: 'Container web failed liveness probe, will be restarted', probeGraceSeconds: 5 });
  });

  test('but only stopped when its startup probe fails and it never restarts', () => {
    const probed = { ...web, startupProbe: {} };
    const pod = testPod({ restartPolicy: 'Never', containers: [probed] });
    const result = plan(pod, observe([sandbox()], [instance(probed)]), { probes: failing('web0', 'startup') });
    expect(words(result)).toEqual(['stop web 30']);
  });
});

test('a container in unknown state is stopped before it is started again', () => {
  const result = plan(testPod({ containers: [web] }), observe([sandbox()], [instance(web, { state: 'unknown' })]));
  expect(words(result)).toEqual(['volumes', 'stop web 30', 'start web#1']);
});

test('a container that was created and never started makes room first and does not count as a restart', () => {
  const pod = testPod({ containers: [web] });
  expect(words(plan(pod, observe([sandbox()], [instance(web, { state: 'created' })])))).toEqual(['removeContainer web0']);
  expect(words(plan(pod, observe([sandbox()])))).toEqual(['volumes', 'start web#0']);
});

describe('crash-loop back-off', () => {
  const pod = testPod({ containers: [web] });
  const exited = (finishedMs: number): ObservedPod =>
    observe([sandbox()], [instance(web, { state: 'exited', exitCode: 1, attempt: 2, finishedMs })]);
  const key = JSON.stringify([web.image, web.resources]);
  const memory = { ...freshMemory, crashLoop: new Map([['web', { key, delayMs: 20_000, startedAt: START + 40_000 }]]) };

  test('holds a restart back from the end of the last run, and says until when in the words of the kubelet', () => {
    const result = plan(pod, exited(START + 50_000), { memory });
    expect(result.actions).toEqual([]);
    expect(result.wakeAt).toBe(START + 70_000);
    expect(result.waiting).toEqual([
      {
        container: 'web',
        reason: 'CrashLoopBackOff',
        message: 'back-off 20s restarting failed container=web pod=p_n(u)',
        until: START + 70_000,
      },
    ]);
  });

  test('is over when its time has come', () => {
    expect(words(plan(pod, exited(START + 50_000), { memory, now: START + 70_000 }))).toEqual(['volumes', 'start web#3']);
  });

  test('does not count after a run of more than ten minutes', () => {
    const finished = START + 40_000 + 600_001;
    expect(words(plan(pod, exited(finished), { memory, now: finished }))).toEqual(['volumes', 'start web#3']);
  });

  test('does not count for another image', () => {
    const other = testPod({ containers: [{ ...web, image: 'web:2' }] });
    expect(words(plan(other, exited(START + 50_000), { memory }))).toEqual(['volumes', 'start web#3']);
  });
});

describe('failures', () => {
  const failure = { reason: 'ErrImagePull', message: 'no such image', retryAt: START + 65_000 };

  test('a container whose start failed waits for its time; the others go on', () => {
    const memory = { ...freshMemory, startFailures: new Map([['web', failure]]) };
    const result = plan(testPod({ containers: [web, db] }), observe([sandbox()]), { memory });
    expect(words(result)).toEqual(['volumes', 'start db#0']);
    expect(result.waiting).toEqual([{ container: 'web', reason: 'ErrImagePull', message: 'no such image', until: START + 65_000 }]);
    expect(words(plan(testPod({ containers: [web, db] }), observe([sandbox()]), { memory, now: START + 65_000 }))).toContain('start web#0');
  });

  test('volumes that cannot be mounted hold up starts, but not stops', () => {
    const memory = { ...freshMemory, podFailure: { ...failure, reason: 'FailedMount', blocks: 'starts' as const } };
    const probed = { ...db, livenessProbe: {} };
    const result = plan(testPod({ containers: [web, probed] }), observe([sandbox()], [instance(probed)]), {
      memory,
      probes: failing('db0', 'liveness'),
    });
    expect(words(result)).toEqual(['stop db 30']);
    expect(result.wakeAt).toBe(START + 65_000);
  });
});

describe('the sandbox', () => {
  const pod = testPod({ containers: [web] });

  test('that died is torn down with what still runs in it before the next attempt', () => {
    const dead = observe([sandbox({ state: 'notready' })], [instance(web)]);
    expect(words(plan(pod, dead))).toEqual(['stop web 30', 'stopSandbox s0']);
    const stopped = observe([sandbox({ state: 'notready' })], [instance(web, { state: 'exited', exitCode: 137 })]);
    const memory = { ...freshMemory, stoppedSandboxes: new Set(['s0']) };
    expect(words(plan(pod, stopped, { memory }))).toEqual(['volumes', 'sandbox 1', 'start web#1 in the new sandbox']);
  });

  test.each([
    ['without an address', observe([sandbox({ ips: [] })])],
    ['of another network mode', observe([sandbox({ hostNetwork: true })])],
    ['beside another ready one', observe([sandbox({ attempt: 0 }), sandbox({ attempt: 1 })])],
  ])('%s is replaced', (_title, observed) => {
    expect(words(plan(pod, observed))[0]).toMatch(/^stopSandbox/);
  });

  test('with host networking needs no address', () => {
    const hosted = testPod({ hostNetwork: true, containers: [web] });
    expect(words(plan(hosted, observe([sandbox({ hostNetwork: true })], [instance(web)])))).toEqual([]);
  });

  test('of a pod that never restarts is not made a second time once something was created in it', () => {
    const once = testPod({ restartPolicy: 'Never', containers: [web, db] });
    const lost = observe([sandbox({ state: 'notready' })], [instance(web, { state: 'exited' })]);
    expect(plan(once, lost).finished).toBe(true);
    expect(words(plan(once, observe([sandbox({ state: 'notready' })])))).toEqual(['stopSandbox s0']);
  });

  test('of a pod that restarts on failure takes only containers that have not succeeded', () => {
    const pod = testPod({ restartPolicy: 'OnFailure', containers: [web, db] });
    const lost = observe(
      [sandbox({ state: 'notready' })],
      [instance(web, { state: 'exited' }), instance(db, { state: 'exited', exitCode: 137 })],
    );
    const memory = { ...freshMemory, stoppedSandboxes: new Set(['s0']) };
    expect(words(plan(pod, lost, { memory }))).toEqual(['volumes', 'sandbox 1', 'start db#1 in the new sandbox']);
  });
});
