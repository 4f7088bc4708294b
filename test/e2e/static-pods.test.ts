import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodeObject, Pod } from '../../src/api/types.ts';
import { createAgent } from '../cluster/agent-process.ts';
import { kubeletConfiguration } from '../cluster/kubelet-configuration.ts';
import { createShoreletNode, launcher } from '../cluster/shorelet-node.ts';
import { waitFor } from '../cluster/wait.ts';
import { Cluster, condition, podOf, script, startCluster } from './cluster.ts';

let cluster: Cluster;
let manifests: string;
beforeAll(async () => {
  const { bed } = await startCluster({ start: false });
  manifests = path.join(bed.node.dir, 'static-manifests');
  await mkdir(manifests);
  const args = [
    '--node-labels=example.com/rack=r7,topology.kubernetes.io/zone=z1',
    '--register-with-taints=example.com/own=yes:PreferNoSchedule',
    '--virtual-kubelet',
  ];
  cluster = new Cluster(bed, await createShoreletNode(bed, { nodeName: 'static', kubelet: { staticPodPath: manifests }, args }));
  await writeManifest('first', podOf('first', script('echo one', 'sleep infinity')));
  await cluster.node.agent.start();
  await cluster.node.ready();
  // Else a restart meets it between its creation and its start, which counts as one of its own.
  await untilMirror('first-static', isReady);
});
afterAll(async () => {
  await cluster?.stop();
});

test('the node is registered with the labels and taints it is told, and as virtual-kubelet does', async () => {
  const { metadata, spec } = await cluster.nodeObject();
  expect(metadata.labels).toMatchObject({ 'example.com/rack': 'r7', 'topology.kubernetes.io/zone': 'z1', type: 'virtual-kubelet' });
  expect(spec?.taints).toEqual(
    expect.arrayContaining([
      { key: 'example.com/own', value: 'yes', effect: 'PreferNoSchedule' },
      { key: 'virtual-kubelet.io/provider', value: 'shorelet', effect: 'NoSchedule' },
    ]),
  );
});

test('what is changed on the node afterwards is not put back by a restart', async () => {
  await cluster.kubectl(['taint', 'node', 'static', 'example.com/own-', 'example.com/new=x:PreferNoSchedule']);
  await cluster.kubectl(['label', 'node', 'static', 'example.com/rack=r8', '--overwrite']);
  await cluster.node.agent.restart();
  await cluster.node.ready();
  const { metadata, spec } = await cluster.nodeObject();
  expect(metadata.labels?.['example.com/rack']).toBe('r8');
  const keys = spec?.taints?.map(({ key }) => key) ?? [];
  expect(keys).toContain('example.com/new');
  expect(keys).not.toContain('example.com/own');
});

describe('a static pod', () => {
  test('runs and has a mirror in the API, which follows it', async () => {
    const pod = await untilMirror('first-static', isReady);
    expect(pod.metadata.annotations).toMatchObject({
      'kubernetes.io/config.source': 'file',
      'kubernetes.io/config.hash': expect.any(String) as string,
      'kubernetes.io/config.mirror': expect.any(String) as string,
    });
    expect(pod.metadata.ownerReferences).toMatchObject([{ kind: 'Node', name: 'static', controller: true }]);
    expect(pod.status).toMatchObject({ phase: 'Running', containerStatuses: [{ restartCount: 0, ready: true }] });
    // An agent that has just come back reads its manifests before it knows of the pod.
    await waitFor('the log of the pod', async () => (await cluster.try(['logs', 'first-static'])).stdout === 'one\n', {
      timeoutMs: 20_000,
    });
  });

  test('goes on when its mirror is deleted, and gets another', async () => {
    const before = await mirror('first-static');
    await cluster.kubectl(['delete', 'pod', 'first-static', '--wait=false']);
    const after = await untilMirror('first-static', (pod) => pod.metadata.uid !== before?.metadata.uid && isReady(pod));
    expect(after.status?.containerStatuses).toEqual(before?.status?.containerStatuses);
  });

  test('is adopted by an agent that comes back', async () => {
    const before = await mirror('first-static');
    await cluster.node.agent.restart('kill');
    await cluster.node.ready();
    await waitFor('the agent to know the pod again', async () => (await cluster.try(['logs', 'first-static'])).code === 0, {
      timeoutMs: 30_000,
      explain: () => cluster.log(),
    });
    await pause(2_000);
    const after = await mirror('first-static');
    expect(after?.metadata.uid).toBe(before?.metadata.uid);
    expect(after?.status?.containerStatuses).toEqual(before?.status?.containerStatuses);
  });

  test('follows its manifest: changed, added, malformed, removed', async () => {
    const before = await mirror('first-static');
    await writeManifest('first', podOf('first', script('echo two', 'sleep infinity')));
    await writeManifest('second', podOf('second'));
    await writeFile(path.join(manifests, 'broken.yaml'), '{ "kind": "Pod", ');
    const changed = await untilMirror('first-static', (pod) => pod.metadata.uid !== before?.metadata.uid && isReady(pod));
    expect(await cluster.kubectl(['logs', 'first-static'])).toBe('two\n');
    expect(changed.metadata.annotations?.['kubernetes.io/config.hash']).not.toBe(
      before?.metadata.annotations?.['kubernetes.io/config.hash'],
    );
    await untilMirror('second-static', isReady);
    const broken = (await cluster.log()).split('\n').filter((line) => line.includes('broken.yaml'));
    expect(broken.length, broken.join('\n')).toBe(1);
    await rm(path.join(manifests, 'first.yaml'));
    await waitFor('the mirror to go', async () => (await mirror('first-static')) === undefined, { timeoutMs: 60_000 });
    await waitFor('the containers to go', async () => (await containersOf('first-static')) === '', { timeoutMs: 30_000 });
    expect((await mirror('second-static'))?.status?.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});

describe('without an API server', () => {
  test('static pods run, for an agent that has none', async () => {
    const directory = path.join(cluster.bed.node.dir, 'alone-manifests');
    await mkdir(directory);
    await writeManifest('solo', podOf('solo', script('exit 3')), directory);
    await writeManifest('steady', podOf('steady'), directory);
    const { node, controlPlane, engine } = cluster.bed;
    const agent = await createAgent(node, {
      name: 'alone',
      command: [launcher, 'run'],
      config: [
        await kubeletConfiguration(node, controlPlane, 'alone', {
          port: 10_360,
          healthzPort: 0,
          staticPodPath: directory,
          podLogsDir: path.join(node.dir, 'alone-logs', 'pods'),
          authentication: { anonymous: { enabled: false }, webhook: { enabled: false }, x509: { clientCAFile: controlPlane.caFile } },
          authorization: { mode: 'AlwaysAllow' },
        }),
      ],
      args: ['--node-name', 'alone', '--docker-endpoint', engine.host, '--node-ip', node.address],
    });
    await agent.start();
    const runs = async (name: string): Promise<string> =>
      await engine.docker([
        'ps',
        '-a',
        '--filter',
        `label=io.kubernetes.pod.name=${name}`,
        '--filter',
        'label=io.kubernetes.container.name=main',
        '--format',
        '{{.ID}} {{.State}}',
      ]);
    await waitFor('the steady pod to run', async () => (await runs('steady-alone')).includes('running'), {
      timeoutMs: 30_000,
      explain: () => agent.log(),
    });
    await waitFor('the other to be restarted', async () => (await runs('solo-alone')).trim().split('\n').length >= 2, {
      timeoutMs: 40_000,
      explain: () => agent.log(),
    });
    const before = await runs('steady-alone');
    await agent.restart('kill');
    await pause(5_000);
    expect(await runs('steady-alone')).toBe(before);
    await rm(path.join(directory, 'solo.yaml'));
    await rm(path.join(directory, 'steady.yaml'));
    await waitFor('both to go', async () => `${await runs('steady-alone')}${await runs('solo-alone')}` === '', {
      timeoutMs: 40_000,
      explain: () => agent.log(),
    });
    await agent.stop();
  });

  test('static pods run, for an agent whose API server cannot be reached yet', async () => {
    const { agent } = cluster.node;
    await agent.stop();
    await writeManifest('third', podOf('third'));
    const { apiServer } = cluster.bed.controlPlane;
    await apiServer.kill();
    await agent.start();
    await waitFor('the pod to run', async () => (await containersOf('third-static')).split('\n').length >= 3, {
      timeoutMs: 40_000,
      explain: () => agent.log(),
    });
    await apiServer.start();
    await cluster.node.ready();
    const pod = await untilMirror('third-static', isReady);
    expect(pod.status?.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});

test('an agent with a bootstrap token asks for its certificate, joins with it, and keeps it', async () => {
  const { node, controlPlane, engine } = cluster.bed;
  const folder = path.join(node.dir, 'joining');
  const own = path.join(folder, 'kubeconfig');
  await mkdir(folder, { recursive: true });
  const agent = await createAgent(node, {
    name: 'joining',
    command: [launcher, 'run'],
    kubeconfig: own,
    config: [
      await kubeletConfiguration(node, controlPlane, 'joining', {
        port: 10_361,
        healthzPort: 0,
        podLogsDir: path.join(folder, 'logs', 'pods'),
      }),
    ],
    args: [
      '--node-name',
      'joining',
      '--docker-endpoint',
      engine.host,
      '--node-ip',
      node.address,
      '--bootstrap-kubeconfig',
      await controlPlane.bootstrapKubeconfig(),
    ],
  });
  await agent.start();
  const ready = async (): Promise<boolean> => {
    const { stdout, code } = await cluster.try(['get', 'node', 'joining', '-o', 'json']);
    return code === 0 && condition((JSON.parse(stdout) as NodeObject).status ?? {}, 'Ready') === 'True';
  };
  await waitFor('the node to join', ready, { timeoutMs: 60_000, explain: () => agent.log() });
  const requests = async (): Promise<string> =>
    await cluster.kubectl([
      'get',
      'csr',
      '-o=jsonpath={range .items[*]}{.spec.username} {.spec.signerName} {.status.conditions[*].type}{"\\n"}{end}',
    ]);
  expect(await requests()).toMatch(/^system:bootstrap:\w+ kubernetes\.io\/kube-apiserver-client-kubelet Approved\n$/);
  expect(await cluster.kubectl(['auth', 'whoami', '-o=jsonpath={.status.userInfo.username}'], { kubeconfig: own })).toBe(
    'system:node:joining',
  );
  await agent.restart();
  await pause(3_000);
  expect((await requests()).trim().split('\n')).toHaveLength(1);
  await agent.stop();
  await cluster.kubectl(['delete', 'node', 'joining']);
});

async function writeManifest(name: string, pod: object, directory = manifests): Promise<void> {
  await writeFile(path.join(directory, `${name}.yaml`), JSON.stringify(pod));
}

function isReady(pod: Pod): boolean {
  return condition(pod.status ?? {}, 'Ready') === 'True';
}

async function mirror(name: string): Promise<Pod | undefined> {
  const { stdout, stderr, code } = await cluster.try(['get', 'pod', name, '-o', 'json']);
  if (code === 0) return JSON.parse(stdout) as Pod;
  if (stderr.includes('NotFound')) return undefined;
  throw new Error(stderr);
}

async function untilMirror(name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
  let last: Pod | undefined;
  return await waitFor(
    `the mirror pod ${name}`,
    async () => {
      last = await mirror(name);
      return last !== undefined && wanted(last) ? last : undefined;
    },
    { timeoutMs: 60_000, explain: () => JSON.stringify(last) },
  );
}

async function containersOf(pod: string): Promise<string> {
  return await cluster.bed.engine.docker(['ps', '-aq', '--filter', `label=io.kubernetes.pod.name=${pod}`]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
