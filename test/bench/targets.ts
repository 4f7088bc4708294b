import type { ContenderResult } from './results.ts';

/** One figure of a node, and what it has to be in proportion to another agent's. */
export interface Target {
  readonly what: string;
  readonly unit: 'ms' | 's' | '%' | 'MiB';
  /** In the unit; undefined when this run did not measure it. */
  readonly figure: (result: ContenderResult) => number | undefined;
  /** At most this times the other's figure. */
  readonly atMost: number;
}

/** A target against a figure that was measured once, on another machine of the same kind. */
export interface FixedTarget extends Target {
  readonly theirs: number;
}

const createP50: Target['figure'] = ({ createMs }) => createMs?.p50;
const removeP50: Target['figure'] = ({ removeMs }) => removeMs?.p50;
const readySeconds =
  (pods: number): Target['figure'] =>
  ({ batches }) =>
    seconds(batches.find((batch) => batch.pods === pods)?.readyMs);
const goneSeconds =
  (pods: number): Target['figure'] =>
  ({ batches }) =>
    seconds(batches.find((batch) => batch.pods === pods)?.goneMs);
const cpuPercent =
  (pods: number): Target['figure'] =>
  ({ rest }) =>
    rest.find((one) => one.pods === pods)?.cpuPercent;
const resident =
  (pods: number): Target['figure'] =>
  ({ rest }) =>
    mebibytes(rest.find((one) => one.pods === pods)?.residentBytes);
const anonymous =
  (pods: number): Target['figure'] =>
  ({ rest }) =>
    mebibytes(rest.find((one) => one.pods === pods)?.anonymousBytes);

/** Against the kubelet v1.37.2 on containerd 1.6, measured in the same run. */
export const peerTargets: readonly Target[] = [
  { what: 'create → Ready, one after another, p50', unit: 'ms', figure: createP50, atMost: 0.8 },
  { what: '70 pods at once, all Ready', unit: 's', figure: readySeconds(70), atMost: 1 },
  { what: 'delete → gone, one after another, p50', unit: 'ms', figure: removeP50, atMost: 0.4 },
  { what: 'delete 100 at once, all gone', unit: 's', figure: goneSeconds(100), atMost: 0.65 },
  { what: 'CPU at rest with 100 pods, of one core', unit: '%', figure: cpuPercent(100), atMost: 0.13 },
  { what: 'resident memory with 100 pods', unit: 'MiB', figure: resident(100), atMost: 1 },
];

/** Against the kubelet v1.37.2 with cri-dockerd on the same Docker, measured once. */
export const fixedTargets: readonly FixedTarget[] = [
  { what: 'create → Ready, one after another, p50', unit: 'ms', figure: createP50, atMost: 0.65, theirs: 686 },
  { what: '70 pods at once, all Ready', unit: 's', figure: readySeconds(70), atMost: 0.75, theirs: 20.6 },
  { what: 'delete → gone, one after another, p50', unit: 'ms', figure: removeP50, atMost: 0.4, theirs: 1011 },
  { what: 'delete 100 at once, all gone', unit: 's', figure: goneSeconds(100), atMost: 0.6, theirs: 16.5 },
  { what: 'CPU at rest with 100 pods, of one core', unit: '%', figure: cpuPercent(100), atMost: 0.1, theirs: 7.8 },
  { what: 'resident memory without pods', unit: 'MiB', figure: resident(0), atMost: 0.75, theirs: 136 },
  { what: 'resident memory with 30 pods', unit: 'MiB', figure: resident(30), atMost: 0.75, theirs: 149 },
  { what: 'resident memory with 100 pods', unit: 'MiB', figure: resident(100), atMost: 0.75, theirs: 177 },
  { what: 'anonymous memory with 100 pods', unit: 'MiB', figure: anonymous(100), atMost: 1, theirs: 79 },
];

/** How a target was met. */
export interface Verdict {
  readonly what: string;
  readonly unit: Target['unit'];
  readonly ours: number;
  readonly theirs: number;
  readonly ratio: number;
  readonly atMost: number;
  readonly met: boolean;
}

/** Judges one target; undefined when one of the figures was not measured. */
export function judge(target: Target, ours: ContenderResult, theirs: ContenderResult | number): Verdict | undefined {
  const mine = target.figure(ours);
  const other = typeof theirs === 'number' ? theirs : target.figure(theirs);
  if (mine === undefined || other === undefined) return undefined;
  const ratio = mine / other;
  return { what: target.what, unit: target.unit, ours: mine, theirs: other, ratio, atMost: target.atMost, met: ratio <= target.atMost };
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function mebibytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}
