import { parseArgs } from 'node:util';

/** What to measure, and how long. */
export interface BenchOptions {
  readonly contenders: readonly ContenderName[];
  /** Pods that are created and deleted one after another, on each node. */
  readonly sequential: number;
  /** Sizes of the batches, in the order in which they run. */
  readonly batches: readonly number[];
  /** How often each batch runs; the median counts. */
  readonly rounds: number;
  /** Numbers of pods on the node while it is watched at rest, ascending. */
  readonly rest: readonly number[];
  /** From the last pod's Ready to the beginning of the watch at rest. */
  readonly settleMs: number;
  /** How long a node is watched at rest. */
  readonly restMs: number;
  readonly json: string | undefined;
  readonly docs: boolean;
  readonly keep: boolean;
  /** A folder for V8 CPU profiles of the agent. */
  readonly profile: string | undefined;
}

export type ContenderName = 'shorelet' | 'kubelet';

export const help = `npm run bench [-- OPTIONS]
  Measures Shorelet, as built, on a Kubernetes control plane and a Docker Engine of its own.

  --peer           measure the upstream kubelet on containerd in the same run, in turns, and print the ratios
  --peer-only      measure the kubelet alone
  --quick          fewer pods and shorter waits, in about three minutes: for a first look, not for figures
  --sequential N   pods that are created and deleted one after another (30)
  --pods LIST      sizes of the batches (10,30,70,100)
  --rounds N       how often each batch runs; the median counts (3)
  --rest LIST      numbers of pods at rest (0,30,100)
  --json FILE      write everything that was measured to FILE
  --docs           write the figures into docs/performance.md
  --profile DIR    write V8 CPU profiles of the agent to DIR (its figures suffer a little)
  --keep           stay when done, until Ctrl-C, with the cluster and the nodes running
  --help`;

/** @throws Error that names the option. Answers undefined when only the help is wanted. */
export function parseOptions(args: string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      peer: { type: 'boolean', default: false },
      'peer-only': { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      sequential: { type: 'string' },
      pods: { type: 'string' },
      rounds: { type: 'string' },
      rest: { type: 'string' },
      json: { type: 'string' },
      docs: { type: 'boolean', default: false },
      profile: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick } = values;
  return {
    contenders: values['peer-only'] ? ['kubelet'] : values.peer ? ['shorelet', 'kubelet'] : ['shorelet'],
    sequential: number('--sequential', values.sequential ?? (quick ? '10' : '30')),
    batches: numbers('--pods', values.pods ?? (quick ? '10,30' : '10,30,70,100')),
    rounds: number('--rounds', values.rounds ?? (quick ? '1' : '3')),
    rest: numbers('--rest', values.rest ?? (quick ? '0,30' : '0,30,100')).sort((a, b) => a - b),
    settleMs: quick ? 10_000 : 30_000,
    restMs: quick ? 15_000 : 60_000,
    json: values.json,
    docs: values.docs,
    keep: values.keep,
    profile: values.profile,
  };
}

/** A node takes 110 pods, the kubelet's default. */
const maxPods = 110;

function numbers(option: string, text: string): number[] {
  return text === '' ? [] : text.split(',').map((part) => number(option, part));
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= maxPods) return value;
  throw new Error(`${option}: ${JSON.stringify(text)} is not a number from 0 to ${maxPods.toString()}`);
}
