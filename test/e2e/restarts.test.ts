import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '../../src/api/types.ts';
import { waitFor } from '../cluster/wait.ts';
import { BUSYBOX, condition, podOf, script, startCluster, type Cluster, type Namespace } from './cluster.ts';
import { nodeHistory, notTrue, podHistory, stepsBack } from './history.ts';

/** How long the API server is away; two minutes in the soak test. */
const API_OUTAGE_MS = Number(process.env['SHORELET_API_OUTAGE_MS'] ?? 22_000);
/** Back from a restart, the agent is watched for so long. */
const SETTLE_MS = 6_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});

describe.each([
  ['stop', 'SIGTERM'],
  ['kill', 'kill -9'],
] as const)('an agent that is ended (%s)', (how, name) => {
  test(`by ${name} and started again adopts every pod as it is`, async () => {
    const ns = await cluster.namespace();
    await createFleet(ns);
    const before = await fleetInPlace(ns);
    const [pods, node] = [await podHistory(cluster, ns.name), await nodeHistory(cluster, cluster.node.name)];
    await ns.kubectl(['delete', 'pod', 'terminating', '--wait=false']);
    const { agent } = cluster.node;
    await agent[how]();
    await meanwhile(ns);
    await agent.start();
    await cluster.node.ready();

    await Promise.all([
      ns.untilGone('deleted', 30_000),
      ns.untilGone('terminating', 40_000),
      waitFor('the volumes of the changed pod to follow', async () => (await seenBy(ns, 'changed')) === 'two a="2"', { timeoutMs: 20_000 }),
      ns.until('crash', 'to be restarted once more', ({ containerStatuses }) => {
        return (containerStatuses?.[0]?.restartCount ?? 0) > restarts(before.get('crash'));
      }),
      ns
        .until('steady', 'to be Ready for a while', (_status, pod) => pod.metadata.labels?.['app'] === 'fleet')
        .then(() => pause(SETTLE_MS)),
    ]);
    await ns.kubectl(['exec', 'init', '-c', 'first', '--', 'touch', '/go']);
    await ns.untilReady('init');

    const seen = await pods.end();
    expect(stepsBack(seen)).toEqual([]);
    expect(notTrue(seen, ['steady', 'probed', 'changed', 'three'])).toEqual([]);
    expect(notTrue(await node.end(), [cluster.node.name])).toEqual([]);
    for (const unchanged of ['steady', 'probed', 'changed', 'three', 'good', 'bad']) {
      const { status } = await ns.pod(unchanged);
      const old = before.get(unchanged)?.status;
      expect(status?.containerStatuses, unchanged).toEqual(old?.containerStatuses);
      expect([status?.podIP, status?.startTime, status?.phase], unchanged).toEqual([old?.podIP, old?.startTime, old?.phase]);
    }
    const numbers = (await ns.kubectl(['logs', 'steady'])).trim().split('\n').map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    await containersGone(seen.find(({ object }) => object.metadata.name === 'deleted')?.object.metadata.uid ?? '');
    await ns.remove();
  });
});

describe('an agent', () => {
  test('that is killed in the middle of ten pod starts finishes them, each with one container', async () => {
    const ns = await cluster.namespace();
    const names = Array.from({ length: 10 }, (_, index) => `batch-${index}`);
    await ns.create(...names.map((name) => podOf(name)));
    const pods = await podHistory(cluster, ns.name);
    const ours = async (...filters: string[]): Promise<string[]> =>
      words(await cluster.bed.engine.docker(['ps', '-aq', `--filter=label=io.kubernetes.pod.namespace=${ns.name}`, ...filters]));
    await waitFor('some containers', async () => (await ours()).length >= 5, { timeoutMs: 30_000, intervalMs: 20 });
    await cluster.node.agent.restart('kill');
    const ready = await Promise.all(names.map((name) => ns.untilReady(name)));
    // A container that was made and not yet started counts as one, as for a kubelet.
    for (const pod of ready) expect(restarts(pod), pod.metadata.name).toBeLessThanOrEqual(1);
    await waitFor('two running containers a pod', async () => (await ours('--filter=status=running')).length === 20, { timeoutMs: 30_000 });
    expect(stepsBack(await pods.end())).toEqual([]);
    await ns.remove();
  });
});

describe('an engine', () => {
  test.each([
    ['is killed and keeps its containers', { live: true, kill: true }],
    ['is restarted and keeps its containers', { live: true, kill: false }],
  ])('that %s leaves pods as they are', async (_what, { live, kill }) => {
    const ns = await cluster.namespace();
    await setLiveRestore(live);
    await ns.create(podOf('stays', ticker()), podOf('done', script('exit 0'), { restartPolicy: 'Never' }));
    const before = await ns.untilReady('stays');
    await ns.untilPhase('done', 'Succeeded');
    const [pods, node] = [await podHistory(cluster, ns.name), await nodeHistory(cluster, cluster.node.name)];
    if (kill) {
      await cluster.bed.engine.kill();
      await pause(2_000);
      await cluster.bed.engine.start();
    } else await cluster.bed.engine.restart();
    await cluster.node.ready();
    await ns.create(podOf('after'));
    await ns.untilReady('after');
    await pause(SETTLE_MS);
    const seen = await pods.end();
    expect(stepsBack(seen)).toEqual([]);
    expect(notTrue(seen, ['stays'])).toEqual([]);
    expect((await ns.pod('stays')).status?.containerStatuses).toEqual(before.status?.containerStatuses);
    expect(stableReasons(await node.end())).toEqual([]);
    await ns.remove();
  });

  test.each([
    ['is killed and stops its containers when it is back', true],
    ['is restarted and stops its containers', false],
  ])('that %s has every pod running again, as its restart policy says', async (_what, kill) => {
    const ns = await cluster.namespace();
    await setLiveRestore(false);
    await ns.create(
      podOf('again', ticker()),
      podOf('never', ticker(), { restartPolicy: 'Never' }),
      podOf('done', script('exit 0'), { restartPolicy: 'Never' }),
    );
    const before = await ns.untilReady('again');
    await ns.untilReady('never');
    const done = await ns.untilPhase('done', 'Succeeded');
    const pods = await podHistory(cluster, ns.name);
    if (kill) {
      await cluster.bed.engine.kill();
      await cluster.bed.engine.start();
    } else await cluster.bed.engine.restart();
    const id = (pod: Pod): string | undefined => pod.status?.containerStatuses?.[0]?.containerID;
    const again = await ns.until(
      'again',
      'to run again',
      (status, pod) => id(pod) !== id(before) && condition(status, 'Ready') === 'True',
      90_000,
    );
    expect(again.status?.phase).toBe('Running');
    expect(restarts(again)).toBe(1);
    expect(again.status?.containerStatuses?.[0]?.lastState?.terminated?.containerID).toBe(id(before));
    const never = await ns.untilPhase('never', 'Failed', 90_000);
    expect(never.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBeGreaterThan(0);
    expect(restarts(never)).toBe(0);
    await cluster.node.ready();
    expect((await ns.pod('done')).status?.containerStatuses).toEqual(done.status?.containerStatuses);
    expect(stepsBack(await pods.end())).toEqual([]);
    await ns.remove();
  });
});

describe('an API server', () => {
  test(
    'that is away and back finds pods as they were, and what it says after is carried out',
    async () => {
      const ns = await cluster.namespace();
      await ns.create(podOf('stays', ticker()), podOf('goes'), podOf('falls', script('sleep 12', 'exit 3')));
      const before = await ns.untilReady('stays');
      await Promise.all([ns.untilReady('goes'), ns.untilReady('falls')]);
      const { agent } = cluster.node;
      const logged = (await agent.log()).length;
      await cluster.bed.controlPlane.apiServer.kill();
      await pause(API_OUTAGE_MS);
      await cluster.bed.controlPlane.apiServer.start();
      await cluster.node.ready();
      await ns.kubectl(['delete', 'pod', 'goes', '--wait=false']);
      await ns.create(podOf('comes', {}, { nodeName: cluster.node.name })); // the scheduler takes its time to come back
      await Promise.all([
        ns.untilGone('goes', 30_000),
        ns.untilReady('comes', 30_000),
        ns.until('falls', 'to have been restarted', (_status, pod) => restarts(pod) >= 1, 30_000),
      ]);
      const after = await ns.pod('stays');
      expect(after.status).toEqual(before.status);
      const lines = (await agent.log()).slice(logged).split('\n');
      const count = (text: RegExp): number => lines.filter((line) => text.test(line)).length;
      expect(count(/The API server (cannot be reached|fails to serve)/), lines.join('\n')).toBeLessThanOrEqual(2);
      expect(count(/The API server answers again/)).toBe(1);
      expect(lines.filter((line) => /warn|error/i.test(line)).length, lines.join('\n')).toBeLessThanOrEqual(8);
      await ns.remove();
    },
    API_OUTAGE_MS + 150_000,
  );
});

/** Counts aloud: what a log must not have gaps in. */
function ticker(): object {
  return script('i=1; while true; do echo $i; i=$((i+1)); sleep 0.1; done');
}

async function createFleet(ns: Namespace): Promise<void> {
  const never = { restartPolicy: 'Never' };
  const volumes = [
    { name: 'cm', configMap: { name: 'cm' } },
    { name: 'd', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  ];
  const volumeMounts = [
    { name: 'cm', mountPath: '/cm' },
    { name: 'd', mountPath: '/d' },
  ];
  const readinessProbe = { exec: { command: ['true'] }, periodSeconds: 1 };
  const livenessProbe = { exec: { command: ['true'] }, periodSeconds: 1, initialDelaySeconds: 5 };
  const startupProbe = { exec: { command: ['true'] }, periodSeconds: 1 };
  await ns.create(
    configMap('one'),
    podOf('steady', ticker(), {}, { labels: { app: 'fleet' } }),
    podOf('probed', { readinessProbe, livenessProbe, startupProbe }),
    podOf('changed', { volumeMounts }, { volumes }, { labels: { a: '1' } }),
    podOf('three', {}, { containers: ['x', 'y', 'z'].map((name) => ({ name, image: BUSYBOX, command: ['sleep', 'infinity'] })) }),
    podOf('crash', script('exit 3')),
    podOf('good', script('exit 0'), never),
    podOf('bad', script('exit 7'), never),
    podOf('init', {}, { initContainers: [{ name: 'first', image: BUSYBOX, ...script('while ! [ -e /go ]; do sleep 0.2; done') }] }),
    podOf('terminating', script("trap '' TERM", 'while true; do sleep 0.1; done'), { terminationGracePeriodSeconds: 12 }),
    podOf('deleted'),
  );
}

function configMap(text: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { text } };
}

/** Every pod of the fleet in the state it is meant to meet the restart in. */
async function fleetInPlace(ns: Namespace): Promise<ReadonlyMap<string, Pod>> {
  const pods = await Promise.all([
    ...['steady', 'probed', 'changed', 'three', 'terminating', 'deleted'].map((name) => ns.untilReady(name)),
    ns.until('crash', 'to back off', (status, pod) => restarts(pod) >= 1 && status.containerStatuses?.[0]?.state?.waiting !== undefined),
    ns.untilPhase('good', 'Succeeded'),
    ns.untilPhase('bad', 'Failed'),
    ns.until('init', 'to run its init container', (status) => status.initContainerStatuses?.[0]?.state?.running !== undefined),
  ]);
  return new Map(pods.map((pod) => [pod.metadata.name ?? '', pod]));
}

/** What the world does while the agent is away. */
async function meanwhile(ns: Namespace): Promise<void> {
  await ns.kubectl(['delete', 'pod', 'deleted', '--wait=false']);
  await ns.kubectl(['label', 'pod', 'changed', 'a=2', '--overwrite']);
  await ns.apply(configMap('two'));
}

async function seenBy(ns: Namespace, pod: string): Promise<string> {
  return (await ns.kubectl(['exec', pod, '--', 'sh', '-c', 'echo $(cat /cm/text) $(cat /d/labels)'])).trim();
}

function restarts(pod: Pod | undefined): number {
  return pod?.status?.containerStatuses?.[0]?.restartCount ?? 0;
}

/** Only a changed Ready counts here: that the engine was away is for the node's condition to say. */
function stableReasons(events: Parameters<typeof notTrue>[0]): string[] {
  return notTrue(events, [cluster.node.name]).filter((text) => !/runtime|PLEG/i.test(text));
}

async function containersGone(uid: string): Promise<void> {
  const docker = (args: readonly string[]): Promise<string> => cluster.bed.engine.docker(args);
  await waitFor(
    'the containers of the deleted pod to be removed',
    async () => words(await docker(['ps', '-aq', '--filter', `label=io.kubernetes.pod.uid=${uid}`])).length === 0,
    {
      timeoutMs: 30_000,
    },
  );
}

async function setLiveRestore(live: boolean): Promise<void> {
  const { engine } = cluster.bed;
  const file = path.join(engine.node.dir, 'daemon.json');
  const configuration = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...configuration, 'live-restore': live }));
  process.kill(engine.dockerd.pid, 'SIGHUP'); // it reads this setting again while it runs
  await waitFor(
    'the engine to take the setting',
    async () => (await engine.docker(['info', '--format', '{{.LiveRestoreEnabled}}'])).trim() === String(live),
    {
      timeoutMs: 10_000,
    },
  );
}

function words(text: string): string[] {
  return text.split('\n').filter((word) => word !== '');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
