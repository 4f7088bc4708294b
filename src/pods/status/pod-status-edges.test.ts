import { describe, expect, test } from 'vitest';
import type { PodStatus } from '../../api/types.ts';
import { container, instance, observe, sandbox, START, testPod } from '../testing/builders.ts';
import { firstContainer, statusInput } from '../testing/status-input.ts';
import type { ObservedPod } from '../types.ts';
import { finalStatus, podStatus, rejectedStatus } from './pod-status.ts';
import type { PodStatusInput } from './types.ts';

const web = container('web');
const pod = testPod({ containers: [web] }, { generation: 4 });

function status(observed: ObservedPod | undefined, extra: Partial<PodStatusInput> = {}, of = pod): PodStatus {
  return podStatus(statusInput(of, observed, extra));
}

const condition = (of: PodStatus, type: string): object | undefined => of.conditions?.find((entry) => entry.type === type);
const exited = (exitCode: number, extra: object = {}): ReturnType<typeof instance> =>
  instance(web, { state: 'exited', exitCode, ...extra });

describe('readiness gates', () => {
  const gated = (conditions: NonNullable<PodStatus['conditions']>): PodStatus =>
    status(
      observe([sandbox()], [instance(web)]),
      {},
      testPod({ containers: [web], readinessGates: [{ conditionType: 'x/y' }] }, {}, { conditions }),
    );

  test('hold Ready back, not ContainersReady', () => {
    expect(condition(gated([]), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message: 'corresponding condition of pod readiness gate "x/y" does not exist.',
    });
    expect(condition(gated([]), 'ContainersReady')).toMatchObject({ status: 'True' });
    expect(condition(gated([{ type: 'x/y', status: 'False' }]), 'Ready')).toMatchObject({
      message: 'the status of pod readiness gate "x/y" is not "True", but False',
    });
  });

  test('that are fulfilled let it through, and are left as they are', () => {
    const ready = gated([{ type: 'x/y', status: 'True', reason: 'Mine' }]);
    expect(condition(ready, 'Ready')).toMatchObject({ status: 'True' });
    expect(condition(ready, 'x/y')).toEqual({ type: 'x/y', status: 'True', reason: 'Mine' });
  });
});

describe('addresses', () => {
  test('come in the order of the node, one of each family', () => {
    const dual = observe([sandbox({ ips: ['10.0.0.1', 'fd00::1', '10.0.0.2'] })], [instance(web)]);
    expect(status(dual, { hostIPs: ['fd00::a', '192.0.2.1'] })).toMatchObject({
      hostIPs: [{ ip: 'fd00::a' }, { ip: '192.0.2.1' }],
      podIP: 'fd00::1',
      podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }],
    });
  });

  test("of a host-network pod are the node's, and stay what they were", () => {
    const of = testPod({ hostNetwork: true, containers: [web] });
    const observed = observe([sandbox({ hostNetwork: true })], [instance(web)]);
    expect(status(observed, {}, of).podIPs).toEqual([{ ip: '192.0.2.1' }]);
    const previous = { podIP: '198.51.100.7', podIPs: [{ ip: '198.51.100.7' }] };
    expect(status(observed, { previous }, of).podIP).toBe('198.51.100.7');
  });
});

describe('the last status', () => {
  test('of a pod that never started is Failed, and containers that never were stay waiting for their turn', () => {
    const of = testPod({ initContainers: [container('one'), container('two')], containers: [web] });
    const final = finalStatus(of, status(undefined, { terminal: true }, of), false);
    expect(final.phase).toBe('Failed');
    expect(final.initContainerStatuses?.map(({ state }) => Object.keys(state ?? {}))).toEqual([['terminated'], ['waiting']]);
    expect(firstContainer(final)?.state?.waiting).toBeDefined();
  });

  test('says of a container that vanished that nobody knows how it ended', () => {
    const final = finalStatus(pod, status(undefined, { terminal: true }), false);
    expect(firstContainer(final)?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
  });

  test('leaves a success as it is', () => {
    const once = testPod({ restartPolicy: 'Never', containers: [web] });
    const over = status(observe([sandbox()], [exited(0)]), { terminal: true }, once);
    expect(finalStatus(once, over, false)).toEqual(over);
  });
});

test('a refused pod is Failed with the reason, and keeps what others said of it', () => {
  const conditions = [{ type: 'PodScheduled', status: 'True' }];
  const refused = rejectedStatus(testPod({}, {}, { conditions, qosClass: 'Burstable' }), 'OutOfpods', 'too many', START);
  expect(refused).toEqual({
    phase: 'Failed',
    reason: 'OutOfpods',
    message: 'Pod was rejected: too many',
    qosClass: 'Burstable',
    startTime: '2026-01-01T00:00:00Z',
    conditions,
  });
});
