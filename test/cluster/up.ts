import { parseArgs } from 'node:util';
import { recipes, type ImageName } from './image-recipes.ts';
import { leftovers } from './leftovers.ts';
import { startTestBed } from './test-bed.ts';
import { messageOf } from './wait.ts';

// Brings up a test bed to try things by hand, and stays until Ctrl-C.
const { values } = parseArgs({
  options: {
    images: { type: 'string', default: 'pause,busybox,nginx,kube-proxy' },
    'no-control-plane': { type: 'boolean', default: false },
    'no-engine': { type: 'boolean', default: false },
    lenient: { type: 'boolean', default: false },
    node: { type: 'string', default: 'test-node' },
    once: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const help = `node test/cluster/up.ts [--images ${Object.keys(recipes).join(',')}] [--no-control-plane] [--no-engine]
  [--lenient]      privileged containers start without CAP_SYS_RESOURCE
  [--node NAME]    name of the node to make credentials for
  [--once]         bring up, take down`;

if (values.help) {
  console.log(help);
} else {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(messageOf(error));
    return 1;
  });
}

async function main(): Promise<number> {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => interrupted.abort(new Error(`ended by ${name}`)));
  }
  const began = performance.now();
  const say = (line: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const bed = await startTestBed({
    progress: say,
    controlPlane: !values['no-control-plane'],
    engine: values['no-engine'] ? false : { lenient: values.lenient },
    images: values['no-engine'] ? [] : imageNames(values.images),
    signal: interrupted.signal,
  });
  try {
    say(`test bed ${bed.slot.number.toString()} is up`);
    console.log(`\nin the machine:  ${bed.node.enter.join(' ')} COMMAND\naddress:         ${bed.node.address}`);
    console.log(`cgroup root:     ${bed.node.cgroupRoot}\nfolder:          ${bed.node.dir}`);
    if (!values['no-engine']) console.log(`docker:          docker -H ${bed.engine.host} ps`);
    if (!values['no-control-plane']) {
      const plane = bed.controlPlane;
      const serving = await plane.servingCert(values.node, [bed.node.address]);
      console.log(`kubectl:         ${plane.kubectlPath} --kubeconfig ${plane.adminKubeconfig} get nodes`);
      console.log(`node kubeconfig: ${await plane.nodeKubeconfig(values.node)}`);
      console.log(`bootstrap:       ${await plane.bootstrapKubeconfig()}`);
      console.log(`serving cert:    ${serving.certificate}\n                 ${serving.key}\nca:              ${plane.caFile}`);
    }
    if (!values.once) {
      console.log('\nCtrl-C removes everything');
      await aborted(interrupted.signal);
    }
  } finally {
    await bed.stop();
  }
  const left = await leftovers(bed.slot.number);
  say(left.length === 0 ? 'removed everything' : `left on this machine:\n${left.join('\n')}`);
  return left.length === 0 ? 0 : 1;
}

function imageNames(text: string): ImageName[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      if (name in recipes) return name as ImageName;
      throw new Error(`--images: no image ${name}; there are ${Object.keys(recipes).join(', ')}`);
    });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // The timer keeps the process alive.
    const timer = setInterval(() => undefined, 60_000);
    const end = (): void => {
      clearInterval(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
