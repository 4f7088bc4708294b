import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { KubeObject, NodeObject, Pod } from '../../src/api/types.ts';
import { createAgent, type AgentOptions, type AgentProcess } from '../cluster/agent-process.ts';
import { newBootstrapToken } from '../cluster/control-plane-manifests.ts';
import { startEngine, type Engine } from '../cluster/engine.ts';
import { prepareHelm, type Helm } from '../cluster/helm.ts';
import { loadImages } from '../cluster/images.ts';
import { kubeProxyManifests } from '../cluster/kube-proxy.ts';
import { kubeletConfiguration } from '../cluster/kubelet-configuration.ts';
import { createNode, type TestNode } from '../cluster/node.ts';
import { run } from '../cluster/run.ts';
import { launcher } from '../cluster/shorelet-node.ts';
import { FatalError, waitFor } from '../cluster/wait.ts';
import { root } from '../stages/build-if-stale.ts';
import { BUSYBOX, NGINX, podOf, script, startCluster, type Cluster, type Namespace } from './cluster.ts';

const chart = path.join(root, 'charts/shorelet');
const manifest = (name: string): string => path.join(root, 'manifests', name);

let cluster: Cluster;
let helm: Helm;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'shorelet-helm-'));
  cluster = await startCluster({ images: ['pause', 'busybox', 'nginx', 'kube-proxy'] });
  helm = await prepareHelm(cluster.bed);
});
afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('charts/shorelet', () => {
  const valueSets: readonly [name: string, objects: number, values: readonly string[]][] = [
    ['its defaults', 3, []],
    ['a token', 4, ['bootstrap.token=abcdef.0123456789abcdef', 'bootstrap.tokenExpiration=2100-01-01T00:00:00Z']],
    ['nothing at all', 0, ['bootstrap.enabled=false']],
    ['the agent alone', 5, ['bootstrap.enabled=false', 'agent.enabled=true']],
    [
      'every setting of the agent',
      8,
      [
        'agent.enabled=true',
        'agent.image.tag=dev',
        'agent.logLevel=debug',
        'agent.nodeSelector.disk=ssd',
        'agent.tolerations[0].operator=Exists',
        'agent.taints=null',
        'agent.kubeletConfiguration.clusterDNS={10.96.0.10}',
        'agent.configuration.imageGC.scope=all',
      ],
    ],
  ];

  test.each(valueSets)('with %s passes lint, and the API server accepts its objects', async (_name, objects, values) => {
    const ns = await cluster.namespace();
    const set = values.flatMap((value) => ['--set', value]);
    await helm(['lint', '--strict', chart, ...set]);
    const { stdout } = await helm(['template', 'shorelet', chart, '--namespace', ns.name, ...set]);
    const rendered = documents(stdout);
    expect(rendered).toHaveLength(objects);
    if (objects > 0) await cluster.kubectl(['apply', '--dry-run=server', '-f', '-'], { input: stdout });
    const config = rendered.find(({ kind }) => kind === 'ConfigMap') as { data: Record<string, string> } | undefined;
    if (config !== undefined) {
      const file = path.join(folder, 'rendered.yaml');
      await writeFile(file, config.data['config.yaml'] ?? '');
      await run([launcher, 'config', '--config', file]);
    }
    await ns.remove();
  });

  test.each([
    ['bootstrap.token', 'abcdef.TOO-SHORT'],
    ['bootstrap.group', 'system:masters'],
    ['bootstrap.tokenExpiration', 'tomorrow'],
    ['agent.logLevel', 'loud'],
  ])('refuses a bad %s by its name', async (name, value) => {
    const good = ['bootstrap.token=abcdef.0123456789abcdef', 'agent.enabled=true'].flatMap((pair) => ['--set', pair]);
    const { code, stderr } = await helm(['template', 'shorelet', chart, ...good, '--set', `${name}=${value}`], { anyExit: true });
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${name}: expected`);
  });

  describe('installed on a cluster', () => {
    let machine: TestNode;
    let engine: Engine;
    beforeAll(async () => {
      const { slot } = cluster.bed;
      machine = await createNode(slot, 1);
      engine = await startEngine(machine);
      await loadImages(engine.socketPath, ['pause', 'busybox'], { tools: slot.tools, progress: slot.progress });
    });

    test('lets a machine join with a bootstrap token', async () => {
      // What the test bed itself grants to such tokens: the chart's roles are what is being tested.
      const own = ['bootstrap', 'approve', 'approve-renewal'].map((name) => `shorelet-test:${name}`);
      await cluster.kubectl(['delete', 'clusterrolebinding', ...own]);
      const token = newBootstrapToken();
      const text = `${token.id}.${token.secret}`;
      await helm(['install', 'join', chart, '--namespace', 'kube-system', '--set', `bootstrap.token=${text}`]);
      const bootstrap = await cluster.bed.controlPlane.tokenKubeconfig('join', text);
      const kubeconfig = path.join(machine.dir, 'kubelet.conf');
      const agent = await agentOn('joined', { kubeconfig, args: ['--bootstrap-kubeconfig', bootstrap] });
      const node = await untilReady('joined', agent);
      expect(node.status?.addresses).toContainEqual({ type: 'InternalIP', address: machine.address });
      expect(await readFile(kubeconfig, 'utf8')).not.toContain(token.secret);
      const requester = '-o=jsonpath={.items[*].spec.username}';
      expect(await cluster.kubectl(['get', 'certificatesigningrequests', requester])).toContain(`system:bootstrap:${token.id}`);
      const renew = ['auth', 'can-i', 'create', 'certificatesigningrequests', '--subresource=selfnodeclient'];
      expect(await cluster.kubectl([...renew, '--as=system:node:joined', '--as-group=system:nodes'])).toBe('yes\n');
      await usesObjects('joined');
      expect(await agent.log()).not.toMatch(/forbidden/i);
      await helm(['uninstall', 'join', '--namespace', 'kube-system', '--wait']);
      const left = ['get', 'clusterrolebindings,secrets', '--all-namespaces', '-o', 'name', '-l', 'app.kubernetes.io/instance=join'];
      expect(await cluster.kubectl(left)).toBe('');
    });

    test('gives the agent as a service account what it needs', async () => {
      const ns = await cluster.namespace();
      // On no machine: the pod's image is not here, and the role is the same for an agent beside it.
      const values = ['bootstrap.enabled=false', 'agent.enabled=true', 'agent.nodeSelector.nowhere=yes'];
      await helm(['install', 'shorelet', chart, '--namespace', ns.name, '--wait', ...values.flatMap((value) => ['--set', value])]);
      const token = (await ns.kubectl(['create', 'token', 'shorelet'])).trim();
      const kubeconfig = await cluster.bed.controlPlane.tokenKubeconfig('service-account', token);
      const agent = await agentOn('shorelet-machine', { kubeconfig });
      await untilReady('shorelet-machine', agent);
      await usesObjects('shorelet-machine');
      expect(await agent.log()).not.toMatch(/forbidden/i);
      await helm(['uninstall', 'shorelet', '--namespace', ns.name, '--wait']);
      await ns.remove();
    });

    async function agentOn(name: string, options: Pick<AgentOptions, 'kubeconfig' | 'args'>): Promise<AgentProcess> {
      const agent = await createAgent(machine, {
        ...options,
        name,
        command: [launcher, 'run'],
        config: [
          await kubeletConfiguration(machine, cluster.bed.controlPlane, name),
          { apiVersion: 'shorelet.io/v1alpha1', kind: 'ShoreletConfiguration', dockerEndpoint: engine.host, nodeIP: [machine.address] },
        ],
        args: ['--node-name', name, ...(options.args ?? [])],
      });
      onTestFinished(async () => {
        await agent.stop();
        // Without its object nothing is scheduled to a node that has just gone.
        await cluster.kubectl(['delete', 'node', name, '--ignore-not-found']);
      });
      await agent.start();
      return agent;
    }
  });

  async function untilReady(name: string, agent: AgentProcess): Promise<NodeObject> {
    return await waitFor(
      `node ${name} to be Ready`,
      async () => {
        if (!agent.running) throw new FatalError(`the agent has ended: ${await agent.log()}`);
        const node = (await cluster.bed.controlPlane.get(['node', name])) as NodeObject;
        return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true ? node : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 500, explain: () => agent.log() },
    );
  }

  /** A pod on that node which needs a config map, a secret and a token of its service account, and says what it found. */
  async function usesObjects(nodeName: string): Promise<void> {
    const ns = await cluster.namespace();
    await ns.create(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'words' }, data: { word: 'from-a-config-map' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'words' }, stringData: { word: 'from-a-secret' } },
    );
    const container = {
      ...script('echo $A $B', 'test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo token'),
      env: [
        { name: 'A', valueFrom: { configMapKeyRef: { name: 'words', key: 'word' } } },
        { name: 'B', valueFrom: { secretKeyRef: { name: 'words', key: 'word' } } },
      ],
    };
    await ns.create(podOf('user', container, { nodeName, restartPolicy: 'Never', tolerations: [{ operator: 'Exists' }] }));
    await ns.untilPhase('user', 'Succeeded');
    expect(await ns.kubectl(['logs', 'user'])).toBe('from-a-config-map from-a-secret\ntoken\n');
    await ns.kubectl(['delete', 'pod', 'user']);
    await ns.remove();
  }
});

test("an application's chart is installed, upgraded, rolled back, tested and uninstalled", async () => {
  const { controlPlane } = cluster.bed;
  await controlPlane.apply(kubeProxyManifests(controlPlane.server));
  const ns = await cluster.namespace();
  const application = await writeApplication();
  const on = ['--namespace', ns.name];
  const wait = ['--wait', '--timeout', '2m'];

  await helm(['install', 'site', application, ...on, ...wait]);
  const first = await sitePods(ns);
  expect(await pages(first)).toEqual(['first\n', 'first\n']);
  expect(first.map(({ spec }) => spec.nodeName)).toEqual([cluster.node.name, cluster.node.name]);
  expect(await ns.kubectl(['get', 'job', 'site-installed', '-o=jsonpath={.status.succeeded}'])).toBe('1');
  expect(await ns.kubectl(['logs', 'job/site-installed'])).toBe('installed first\n');

  await helm(['upgrade', 'site', application, ...on, ...wait, '--set', 'greeting=second']);
  const second = await sitePods(ns);
  expect(await pages(second)).toEqual(['second\n', 'second\n']);
  expect(second.map(uid)).not.toEqual(expect.arrayContaining(first.map(uid)));

  await helm(['rollback', 'site', '1', ...on, ...wait]);
  expect(await pages(await sitePods(ns))).toEqual(['first\n', 'first\n']);
  const history = JSON.parse((await helm(['history', 'site', ...on, '--output', 'json'])).stdout) as { status: string }[];
  expect(history.map(({ status }) => status)).toEqual(['superseded', 'superseded', 'deployed']);

  const tested = await helm(['test', 'site', ...on, '--logs', '--timeout', '2m']);
  expect(tested.stdout).toContain('the service says first');

  await helm(['uninstall', 'site', ...on, ...wait]);
  const left = ['get', 'deployments,replicasets,services,configmaps,pods', '-l', 'app=site', '-o', 'name'];
  await waitFor('nothing of the application to be left', async () => (await ns.kubectl(left)) === '', { timeoutMs: 30_000 });
  await ns.remove();
});

describe('manifests', () => {
  test('rbac.yaml is accepted, and grants what the chart grants', async () => {
    const text = await cluster.kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', manifest('rbac.yaml')]);
    const accepted = (JSON.parse(text) as { items: KubeObject[] }).items;
    const { stdout } = await helm(['template', 'shorelet', chart]);
    expect(accepted.map(granted)).toEqual(expect.arrayContaining(documents(stdout).map(granted)));
    expect(accepted).toHaveLength(3);
  });

  test('demo.yaml is accepted', async () => {
    await cluster.kubectl(['apply', '--dry-run=server', '-f', manifest('demo.yaml')]);
  });

  test('config.yaml is a configuration of this program', async () => {
    const { stdout } = await run([launcher, 'config', '--config', manifest('config.yaml')]);
    expect(stdout).toContain('clientCAFile: /etc/kubernetes/pki/ca.crt');
  });

  test('shorelet.service is a unit that systemd understands', async ({ skip }) => {
    const analyze = await run(['systemd-analyze', '--version']).catch(() => undefined);
    if (analyze === undefined) skip('there is no systemd-analyze on this machine');
    const unit = path.join(folder, 'shorelet.service');
    const text = await readFile(manifest('shorelet.service'), 'utf8');
    expect(text).toContain('/usr/local/bin/shorelet ');
    // systemd looks whether the program is there.
    await writeFile(unit, text.replace('/usr/local/bin/shorelet ', `${launcher} `));
    const { stderr } = await run(['systemd-analyze', 'verify', unit]);
    expect(stderr).not.toContain('shorelet.service');
  });
});

function documents(yaml: string): KubeObject[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** Of a binding: who gets which role. */
function granted(object: KubeObject): unknown {
  const { roleRef, subjects } = object as KubeObject & Record<string, unknown>;
  return { roleRef, subjects };
}

function uid({ metadata }: Pod): string {
  return metadata.uid;
}

/** The pods that are there to stay. */
async function sitePods(ns: Namespace): Promise<readonly Pod[]> {
  const { items } = JSON.parse(await ns.kubectl(['get', 'pods', '-l', 'app=site', '-o', 'json'])) as { items: Pod[] };
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

function pages(pods: readonly Pod[]): Promise<string[]> {
  return Promise.all(pods.map(async ({ status }) => await (await fetch(`http://${status?.podIP ?? ''}/`)).text()));
}

/** A small application as its makers would write it: two replicas behind a Service, a hook after the installation, a test. */
async function writeApplication(): Promise<string> {
  const hook = (kind: string): object => ({ 'helm.sh/hook': kind, 'helm.sh/hook-delete-policy': 'before-hook-creation' });
  const shell = (...lines: readonly string[]): object => ({
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'main', image: BUSYBOX, ...script(...lines) }],
  });
  const nginx = {
    name: 'nginx',
    image: NGINX,
    ports: [{ name: 'http', containerPort: 80 }],
    readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
    volumeMounts: [{ name: 'page', mountPath: '/usr/share/nginx/html' }],
  };
  const labels = { app: 'site' };
  const name = '{{ .Release.Name }}';
  const templates = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data: { 'index.html': '{{ .Values.greeting }}\n' } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, labels },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 'http' }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { 'checksum/page': '{{ .Values.greeting | sha256sum }}' } },
          spec: { terminationGracePeriodSeconds: 5, containers: [nginx], volumes: [{ name: 'page', configMap: { name } }] },
        },
      },
    },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: `${name}-installed`, annotations: hook('post-install') },
      spec: { backoffLimit: 0, template: { spec: shell('echo installed {{ .Values.greeting }}') } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `${name}-test`, annotations: hook('test') },
      spec: shell('echo the service says $(wget -q -O - http://$SITE_SERVICE_HOST)'),
    },
  ];
  const directory = path.join(folder, 'site');
  await mkdir(path.join(directory, 'templates'), { recursive: true });
  await writeFile(path.join(directory, 'Chart.yaml'), 'apiVersion: v2\nname: site\nversion: 0.1.0\n');
  await writeFile(path.join(directory, 'values.yaml'), 'greeting: first\n');
  await writeFile(
    path.join(directory, 'templates/all.yaml'),
    templates.map((object) => JSON.stringify(object, undefined, 2)).join('\n---\n'),
  );
  return directory;
}
