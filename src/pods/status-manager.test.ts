import { beforeEach, expect, test } from 'vitest';
import type { Pod } from '../api/types.ts';
import { ConflictError, UnavailableError } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { PodManager } from './pod-manager.ts';
import { StatusManager } from './status-manager.ts';
import { deleted, testPod } from './testing/builders.ts';
import { FakeApi } from './testing/loop.ts';

let clock: FakeClock;
let api: FakeApi;
let pods: PodManager;
let status: StatusManager;
let warnings: string[];

beforeEach(() => {
  clock = new FakeClock();
  api = new FakeApi();
  pods = new PodManager(['api', 'file']);
  warnings = [];
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  status = new StatusManager({ clock, log, writer: api, pods });
});

/** The API server has the pod and its watch has said so. */
function apply(pod: Pod): Pod {
  const stored = api.put(pod);
  pods.upsert('api', stored);
  return stored;
}

const unfinished = { finished: false };
const running = { phase: 'Running' };

test('a status is sent once, in the turn of the event loop in which it was set', async () => {
  const pod = apply(testPod());
  status.set(pod, running, unfinished);
  await Promise.resolve();
  await Promise.resolve();
  expect(api.log).toEqual(['patch Running']);
  status.set(pod, running, unfinished);
  await settle();
  expect(api.log).toEqual(['patch Running']);
  expect(api.patches[0]?.metadata).toEqual({ uid: 'u' });
});

test('what the API holds already is not sent', async () => {
  status.set(apply(testPod({}, {}, running)), running, unfinished);
  await settle();
  expect(api.patches).toEqual([]);
});

test('while one request is under way the last of several statuses is the one that follows', async () => {
  const pod = apply(testPod());
  for (const phase of ['Pending', 'Running', 'Failed']) status.set(pod, { phase }, unfinished);
  await settle();
  expect(api.log).toEqual(['patch Failed']);
});

test('an API server that is away for minutes gets the last status when it is back; one line says so', async () => {
  const pod = apply(testPod());
  api.fails = new UnavailableError('connection refused');
  status.set(pod, { phase: 'Pending' }, unfinished);
  await clock.advance(60_000);
  status.set(pod, running, unfinished);
  await clock.advance(120_000);
  expect(warnings).toHaveLength(1);
  api.fails = undefined;
  await clock.advance(10_000);
  expect(api.log).toEqual(['patch Running']);
});

test("another pod's status does not wait for one that cannot be sent", async () => {
  const pod = apply(testPod());
  const other = apply(testPod({}, { uid: 'v', name: 'q' }));
  api.fails = new UnavailableError('no');
  status.set(pod, running, unfinished);
  await settle();
  api.fails = undefined;
  status.set(other, running, unfinished);
  await settle();
  expect(api.get('v')?.status?.phase).toBe('Running');
});

test("what others write over the node's fields is written again; their own fields and conditions are left alone", async () => {
  const pod = apply(testPod());
  status.set(pod, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }, unfinished);
  await settle();
  const stored = api.get('u') ?? pod;
  apply({ ...stored, status: { ...stored.status, conditions: [...(stored.status?.conditions ?? []), { type: 'x/y', status: 'True' }] } });
  await settle();
  expect(api.patches).toHaveLength(1);
  apply({ ...stored, status: { phase: 'Pending' } });
  await settle();
  expect(api.get('u')?.status?.phase).toBe('Running');
});

test('an old version of the pod that the watch brings late changes nothing', async () => {
  const old = apply(testPod());
  status.set(old, running, unfinished);
  await settle();
  pods.upsert('api', old);
  await settle();
  expect(api.patches).toHaveLength(1);
});

test('the answer to a patch does not hide what the watch has brought since', async () => {
  const pod = apply(testPod());
  const patch = api.patchPodStatus.bind(api);
  let overwritten = false;
  api.patchPodStatus = async (...args) => {
    const answer = await patch(...args);
    if (!overwritten) apply({ ...answer, status: { phase: 'Pending' } });
    overwritten = true;
    return answer;
  };
  status.set(pod, running, unfinished);
  await settle();
  expect(api.get('u')?.status?.phase).toBe('Running');
});

test('a pod is deleted only when it is finished and somebody asked for it, after its last status', async () => {
  const pod = apply(testPod());
  status.set(pod, { phase: 'Succeeded' }, { finished: true });
  await settle();
  expect(api.log).toEqual(['patch Succeeded']);
  const ending = apply(deleted(api.get('u') ?? pod));
  status.set(ending, { phase: 'Succeeded' }, { finished: true });
  await settle();
  expect(api.log).toEqual(['patch Succeeded', 'delete p 0']);
});

test('a pod that is being deleted and is not finished stays', async () => {
  status.set(apply(deleted(testPod())), running, unfinished);
  await settle();
  expect(api.log).toEqual(['patch Running']);
});

test('nothing more is sent about a pod that is gone, or whose name another has', async () => {
  const pod = testPod();
  status.set(pod, running, unfinished);
  await settle();
  status.set(pod, { phase: 'Failed' }, unfinished);
  await clock.advance(60_000);
  expect(api.log).toEqual([]);
  const other = apply(testPod({}, { uid: 'v' }));
  api.fails = new ConflictError('the UID is not the same');
  status.set(other, running, unfinished);
  await settle();
  api.fails = undefined;
  await clock.advance(60_000);
  expect(api.log).toEqual([]);
  expect(warnings).toEqual([]);
});

test("a static pod's status goes to its mirror as soon as there is one, and no mirror is deleted", async () => {
  const annotations = { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': 'h' };
  const pod = testPod({}, { annotations });
  pods.replace('file', [pod]);
  status.set(pod, running, unfinished);
  await settle();
  expect(api.log).toEqual([]);
  const mirror = testPod({}, { uid: 'm', annotations: { ...annotations, 'kubernetes.io/config.mirror': 'h' } });
  apply(mirror);
  await settle();
  expect(api.patches).toEqual([{ metadata: { uid: 'm' }, status: { phase: 'Running' } }]);
  apply(deleted(api.get('m') ?? mirror));
  status.set(deleted(pod), { phase: 'Failed' }, { finished: true });
  await settle();
  expect(api.log).toEqual(['patch Running', 'patch Failed']);
});

test('a removed pod is forgotten', async () => {
  const pod = apply(testPod());
  status.set(pod, running, unfinished);
  await settle();
  pods.remove('api', pod);
  expect(status.get('u')).toBeUndefined();
});
