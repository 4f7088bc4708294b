import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { leftovers } from '../cluster/leftovers.ts';
import { startTestBed, type TestBed } from '../cluster/test-bed.ts';
import { messageOf, waitFor } from '../cluster/wait.ts';
import { buildIfStale, root } from '../stages/build-if-stale.ts';
import { ApiClient } from './api-client.ts';
import { startKubelet, startShorelet, type Contender } from './contender.ts';
import { describeMachine } from './machine.ts';
import { measure, type Say } from './measure.ts';
import { help, parseOptions, type BenchOptions } from './options.ts';
import { PodWatch } from './pod-watch.ts';
import { PodsOnNode } from './pods-on-node.ts';
import { asMarkdown, asText, figures, fixedVerdicts, peerVerdicts, replaceFigures, verdictRows } from './report.ts';
import type { Results } from './results.ts';

const namespace = 'bench';
const command = (args: readonly string[]): string => ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(messageOf(error));
  return 1;
});

async function main(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options === undefined) {
    console.log(help);
    return 0;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort(new Error(`ended by ${name}`)));
  const began = performance.now();
  const say: Say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`);

  if (options.contenders.includes('shorelet')) buildIfStale(say);
  const bed = await startTestBed({ progress: say, images: ['pause'], signal: interrupted.signal });
  const contenders: Contender[] = [];
  try {
    for (const name of options.contenders) {
      say(`starting ${name}`);
      const contender = await (name === 'kubelet'
        ? startKubelet(bed, interrupted.signal)
        : startShorelet(bed, options.profile, interrupted.signal));
      contenders.push(contender);
      say(`node ${contender.nodeName} is Ready after ${(contender.nodeReadyMs / 1000).toFixed(1)} s`);
    }
    const results = await run(bed, contenders, options, say, interrupted.signal);
    await publish(results, await describeMachine(bed), args, options);
    if (options.keep) {
      console.log(
        `\n${bed.controlPlane.kubectlPath} --kubeconfig ${bed.controlPlane.adminKubeconfig} get nodes\nCtrl-C removes everything`,
      );
      await aborted(interrupted.signal);
    }
  } finally {
    for (const contender of contenders.reverse()) await contender.stop();
    await bed.stop();
  }
  const left = await leftovers(bed.slot.number);
  if (left.length > 0) console.error(`left on this machine:\n${left.join('\n')}`);
  return left.length > 0 ? 1 : 0;
}

async function run(bed: TestBed, contenders: readonly Contender[], options: BenchOptions, say: Say, signal: AbortSignal): Promise<Results> {
  const client = await ApiClient.connect(bed.controlPlane);
  try {
    await client.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    // Without it the API server refuses pods.
    await waitFor(
      'the default service account',
      () => client.request('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`).then(() => true),
      { timeoutMs: 30_000, signal },
    );
    const watch = await PodWatch.start(client, namespace);
    try {
      const subjects = contenders.map((contender) => ({
        contender,
        pods: new PodsOnNode(client, watch, namespace, contender.nodeName),
      }));
      // The first pod of a node finds cold caches everywhere; it counts for nobody.
      for (const { pods } of subjects) {
        await pods.create(1);
        await pods.remove();
      }
      return await unlessAborted(measure(subjects, options, say, signal), signal);
    } finally {
      watch.stop();
    }
  } finally {
    client.close();
  }
}

async function publish(results: Results, machine: readonly string[], args: readonly string[], options: BenchOptions): Promise<void> {
  const peer = peerVerdicts(results);
  const fixed = fixedVerdicts(results);
  const sections = [
    { title: 'Measured', rows: figures(results) },
    ...(peer.length > 0 ? [{ title: 'Against the kubelet on containerd, in this run', rows: verdictRows(peer, 'kubelet') }] : []),
    ...(fixed.length > 0
      ? [
          {
            title: 'For information: against the kubelet with cri-dockerd, measured once on a machine of this kind',
            rows: verdictRows(fixed, 'kubelet'),
          },
        ]
      : []),
  ];
  for (const { title, rows } of sections) console.log(`\n${title}\n${asText(rows)}`);
  console.log(`\n${machine.join('\n')}`);
  const at = new Date().toISOString();
  if (options.json !== undefined) {
    const document = { at, command: command(args), machine, results, verdicts: { peer, fixed } };
    await writeFile(options.json, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  if (options.docs) {
    const text = [
      `\`${command(args)}\`, ${at.slice(0, 10)}:`,
      machine.map((line) => `- ${line}`).join('\n'),
      ...sections.flatMap(({ title, rows }) => [`### ${title}`, asMarkdown(rows)]),
    ];
    await replaceFigures(join(root, 'docs/performance.md'), text.join('\n\n'));
  }
}

/** Does not wait for a batch to end when nobody wants to know any more. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  const reject = (): void => interrupted.reject(signal.reason);
  signal.addEventListener('abort', reject, { once: true });
  try {
    return await Promise.race([work, interrupted.promise]);
  } finally {
    signal.removeEventListener('abort', reject);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // The timer keeps the process alive.
    const timer = setInterval(() => undefined, 60_000);
    const done = (): void => {
      clearInterval(timer);
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}
