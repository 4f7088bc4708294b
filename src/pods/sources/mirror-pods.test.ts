import { beforeEach, expect, test } from 'vitest';
import type { Pod } from '../../api/types.ts';
import { AlreadyExistsError, NotFoundError, UnavailableError } from '../../lib/errors.ts';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { PodManager } from '../pod-manager.ts';
import type { MirrorPodBody, PodLifecycleListener } from '../ports.ts';
import { deleted, testPod } from '../testing/builders.ts';
import { MirrorPods } from './mirror-pods.ts';

let clock: FakeClock;
let pods: PodManager;
let log: string[];
let created: MirrorPodBody[];
let fails: Error | undefined;
let inUse: boolean;
let nodeUid: string | undefined;
let gone: PodLifecycleListener | undefined;

const fixed = (hash: string): Pod =>
  testPod({}, { uid: hash, annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': hash } });
const mirrorOf = (hash: string, uid = 'm'): Pod =>
  testPod({}, { uid, annotations: { ...fixed(hash).metadata.annotations, 'kubernetes.io/config.mirror': hash } });

beforeEach(() => {
  clock = new FakeClock();
  pods = new PodManager(['api', 'file']);
  log = [];
  created = [];
  fails = undefined;
  inUse = false;
  nodeUid = 'node-uid';
  const act = async (text: string): Promise<void> => {
    if (fails !== undefined) throw fails;
    log.push(text);
  };
  new MirrorPods({
    clock,
    log: silentLogger,
    pods,
    nodeName: 'node',
    nodeUid: () => nodeUid,
    workers: {
      usesName: () => inUse,
      onLifecycle: (listener) => {
        gone = listener;
        return () => undefined;
      },
    },
    writer: {
      createPod: async (body) => {
        await act('create');
        created.push(body);
      },
      deletePod: ({ uid }, graceSeconds) => act(`delete ${uid} ${graceSeconds}`),
    },
  });
});

test('a static pod gets a mirror that names its manifest and its node, when the API list is known', async () => {
  pods.replace('file', [fixed('h')]);
  await settle();
  expect(log).toEqual([]);
  pods.replace('api', []);
  await settle();
  expect(log).toEqual(['create']);
  expect(created[0]?.metadata).toEqual({
    name: 'p',
    namespace: 'n',
    labels: {},
    annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': 'h', 'kubernetes.io/config.mirror': 'h' },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node', uid: 'node-uid', controller: true }],
  });
  pods.upsert('api', mirrorOf('h'));
  await settle();
  expect(log).toEqual(['create']);
});

test.each<[string, Pod]>([
  ['of another manifest', mirrorOf('old')],
  ['that somebody deletes', deleted(mirrorOf('h'))],
])('a mirror %s is replaced', async (_title, mirror) => {
  pods.replace('file', [fixed('h')]);
  pods.replace('api', [mirror]);
  await settle();
  expect(log).toEqual(['delete m 0']);
  pods.remove('api', mirror);
  await settle();
  expect(log).toEqual(['delete m 0', 'create']);
});

test('a mirror without a static pod goes when every source has been heard and the pod has gone from the node', async () => {
  inUse = true;
  pods.replace('api', [mirrorOf('h')]);
  await settle();
  pods.replace('file', []);
  await settle();
  expect(log).toEqual([]);
  inUse = false;
  gone?.(fixed('h'), 'gone');
  await settle();
  expect(log).toEqual(['delete m 0']);
});

test('an API server that is away is tried again; a mirror that is there already, or gone already, is as well', async () => {
  fails = new UnavailableError('no');
  pods.replace('file', [fixed('h')]);
  pods.replace('api', []);
  await clock.advance(120_000);
  fails = undefined;
  await clock.advance(30_000);
  expect(log).toEqual(['create']);
  fails = new AlreadyExistsError('there');
  pods.upsert('api', mirrorOf('other'));
  fails = new NotFoundError('gone');
  await settle();
  expect(log).toEqual(['create']);
  expect(clock.pendingTimers).toBe(0);
});

test('nothing is created before the node has its UID', async () => {
  nodeUid = undefined;
  pods.replace('file', [fixed('h')]);
  pods.replace('api', []);
  await settle();
  expect(log).toEqual([]);
  nodeUid = 'x';
  await clock.advance(1000);
  expect(log).toEqual(['create']);
});
