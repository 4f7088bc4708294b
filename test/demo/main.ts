import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { kubeProxyManifests } from '../cluster/kube-proxy.ts';
import { leftovers } from '../cluster/leftovers.ts';
import { createShoreletNode } from '../cluster/shorelet-node.ts';
import { startTestBed, type TestBed } from '../cluster/test-bed.ts';
import { messageOf, waitFor } from '../cluster/wait.ts';
import { buildIfStale, root } from '../stages/build-if-stale.ts';

const HELP = `npm run demo [-- --once]
  Starts a Kubernetes control plane, a Docker Engine and a Shorelet node on this machine, all of their own, runs a small web site
  on it, and stays until Ctrl-C; then everything is removed again.
  --once   end after checking that all of it works (exit code 0)`;

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } });
if (values.help) console.log(HELP);
else process.exitCode = await demo(values.once);

async function demo(once: boolean): Promise<number> {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort(new Error(`ended by ${name}`)));
  const began = performance.now();
  const say = (line: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`);

  let bed: TestBed | undefined;
  let code = 1;
  try {
    buildIfStale(say);
    say('starting a control plane and a Docker Engine (the first time their parts are fetched and built, which takes minutes)');
    bed = await startTestBed({ progress: say, images: ['pause', 'busybox', 'nginx', 'kube-proxy'], signal: interrupted.signal });
    await runSite(bed, say, interrupted.signal);
    code = 0;
    if (!once) {
      printHints(bed);
      await aborted(interrupted.signal);
    }
  } catch (error) {
    if (interrupted.signal.aborted) say(messageOf(interrupted.signal.reason));
    else console.error(messageOf(error));
  } finally {
    say('removing everything');
    await bed?.stop();
  }
  const left = bed === undefined ? [] : await leftovers(bed.slot.number);
  if (left.length > 0) console.error(`left on this machine:\n${left.join('\n')}`);
  else say('nothing is left');
  return left.length === 0 ? code : 1;
}

/** The agent, kube-proxy, the sample; resolves when its page has answered through the ClusterIP from a pod. */
async function runSite(bed: TestBed, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const { controlPlane } = bed;
  const node = await createShoreletNode(bed, { nodeName: 'shorelet-demo' });
  say('starting the agent');
  await node.agent.start(signal);
  await node.ready();
  say(`node ${node.name} is Ready`);
  await waitFor(
    'the default service account',
    async () => (await controlPlane.kubectl(['get', 'serviceaccount', 'default'], { anyExit: true })).code === 0,
    {
      timeoutMs: 30_000,
      signal,
    },
  );
  await controlPlane.apply(kubeProxyManifests(controlPlane.server));
  await controlPlane.apply(await readFile(path.join(root, 'manifests/demo.yaml'), 'utf8'));
  say('waiting for the deployment (3 replicas), a visitor and kube-proxy');
  await controlPlane.kubectl(['rollout', 'status', 'deployment/site', '--timeout=120s'], { timeoutMs: 130_000, signal });
  await controlPlane.kubectl(['rollout', 'status', 'daemonset/kube-proxy', '-n', 'kube-system', '--timeout=120s'], {
    timeoutMs: 130_000,
    signal,
  });
  await controlPlane.kubectl(['wait', 'pod/visitor', '--for=condition=Ready', '--timeout=120s'], { timeoutMs: 130_000, signal });
  say('deployment is Ready; visiting its ClusterIP from a pod');
  const { stdout: address } = await controlPlane.kubectl(['get', 'service', 'site', '-o=jsonpath={.spec.clusterIP}']);
  const page = await waitFor(
    `the page at http://${address}`,
    async () => {
      const { stdout } = await controlPlane.kubectl(['exec', 'visitor', '--', 'wget', '-q', '-T', '3', '-O', '-', `http://${address}`], {
        anyExit: true,
      });
      return /<h1>.*<\/h1>/.exec(stdout)?.[0];
    },
    { timeoutMs: 60_000, signal },
  );
  say(`the page answers: ${page}`);
  const { stdout: greeting } = await controlPlane.kubectl(['exec', 'deployment/site', '--', 'sh', '-c', 'echo $GREETING']);
  if (!greeting.includes('hello from a secret'))
    throw new Error(`the secret did not reach the container: GREETING is ${JSON.stringify(greeting)}`);
  say(`its secret is there: ${greeting.trim()}`);
}

function printHints(bed: TestBed): void {
  const kubectl = `${bed.controlPlane.kubectlPath} --kubeconfig ${bed.controlPlane.adminKubeconfig}`;
  console.log(`
Try it from another terminal:

  alias k='${kubectl}'
  k get nodes,pods -o wide
  k logs deployment/site
  k exec -it visitor -- sh
  k port-forward service/site 8080:80
  k debug -it visitor --image=registry.k8s.io/e2e-test-images/busybox:1.37.0-2
  docker -H ${bed.engine.host} ps

Ctrl-C removes everything.
`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
