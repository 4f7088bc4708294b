import { readFile, writeFile } from 'node:fs/promises';
import type { ContenderName } from './options.ts';
import type { ContenderResult, Results } from './results.ts';
import { fixedTargets, judge, peerTargets, type Target, type Verdict } from './targets.ts';

/** A table: the first row is its head. */
type Row = readonly string[];

const titles: Readonly<Record<ContenderName, string>> = {
  shorelet: 'Shorelet on Docker',
  kubelet: 'kubelet on containerd',
};

/** Everything measured, a row a figure and a column a node; with two nodes also the ratio of the first to the second. */
export function figures(results: Results): Row[] {
  const names = (['shorelet', 'kubelet'] as const).filter((name) => results[name] !== undefined);
  const subjects = names.flatMap((name) => results[name] ?? []);
  const [first] = subjects;
  if (first === undefined) return [];
  const rows: Row[] = [['', ...names.map((name) => titles[name]), ...(subjects.length === 2 ? ['ratio'] : [])]];
  const add = (what: string, unit: Target['unit'], figure: (result: ContenderResult) => number | undefined): void => {
    const values = subjects.map(figure);
    if (values.every((value) => value === undefined)) return;
    const [ours, theirs] = values;
    const ratio = ours === undefined || theirs === undefined ? [] : [(ours / theirs).toFixed(2)];
    rows.push([what, ...values.map((value) => (value === undefined ? '–' : format(value, unit))), ...ratio]);
  };
  add('agent started → node Ready', 's', (result) => result.nodeReadyMs / 1000);
  for (const key of ['p50', 'p90', 'p99'] as const)
    add(`create → Ready, one after another, ${key}`, 'ms', (result) => result.createMs?.[key]);
  for (const key of ['p50', 'p90', 'p99'] as const)
    add(`delete → gone, one after another, ${key}`, 'ms', (result) => result.removeMs?.[key]);
  first.batches.forEach(({ pods }, index) => {
    add(`${pods.toString()} pods at once, all Ready`, 's', (result) => inSeconds(result.batches[index]?.readyMs));
    add(`delete ${pods.toString()} at once, all gone`, 's', (result) => inSeconds(result.batches[index]?.goneMs));
    add(`the agent's CPU time for each of ${pods.toString()} pods to be Ready`, 'ms', (result) => result.batches[index]?.readyCpuMs);
    add(`the agent's CPU time for each of ${pods.toString()} pods to go`, 'ms', (result) => result.batches[index]?.goneCpuMs);
  });
  const atRest = (what: string, rest: (result: ContenderResult) => ContenderResult['restAfterwards'] | undefined): void => {
    add(`CPU of one core ${what}`, '%', (result) => rest(result)?.cpuPercent);
    add(`resident memory ${what}`, 'MiB', (result) => inMebibytes(rest(result)?.residentBytes));
    add(`anonymous memory ${what}`, 'MiB', (result) => inMebibytes(rest(result)?.anonymousBytes));
    add(`CPU of the runtime's daemons ${what}`, '%', (result) => rest(result)?.runtimeCpuPercent);
  };
  first.rest.forEach(({ pods }, index) => atRest(`at rest with ${pods.toString()} pods`, (result) => result.rest[index]));
  atRest('at rest after all this', (result) => result.restAfterwards);
  return rows;
}

/** The targets against the kubelet of the same run, those that were measured. */
export function peerVerdicts(results: Results): Verdict[] {
  const { shorelet, kubelet } = results;
  if (shorelet === undefined || kubelet === undefined) return [];
  return peerTargets.flatMap((target) => judge(target, shorelet, kubelet) ?? []);
}

/** The targets against the figures of the kubelet with cri-dockerd. */
export function fixedVerdicts(results: Results): Verdict[] {
  const { shorelet } = results;
  if (shorelet === undefined) return [];
  return fixedTargets.flatMap((target) => judge(target, shorelet, target.theirs) ?? []);
}

/** Verdicts as a table. */
export function verdictRows(verdicts: readonly Verdict[], theirs: string): Row[] {
  const head = ['', 'Shorelet', theirs, 'ratio', 'at most', 'met'];
  return [
    head,
    ...verdicts.map(({ what, unit, ours, theirs: other, ratio, atMost, met }) => [
      what,
      format(ours, unit),
      format(other, unit),
      ratio.toFixed(2),
      atMost.toFixed(2),
      met ? 'yes' : 'NO',
    ]),
  ];
}

/** A table for the terminal. */
export function asText(rows: readonly Row[]): string {
  const widths = columnWidths(rows);
  return rows
    .map((row) =>
      row
        .map((cell, column) => pad(cell, column, widths))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A table in Markdown, as prettier writes it. */
export function asMarkdown(rows: readonly Row[]): string {
  const widths = columnWidths(rows).map((width) => Math.max(width, 3));
  const lines = rows.map((row) => `| ${row.map((cell, column) => pad(cell, column, widths)).join(' | ')} |`);
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  lines.splice(1, 0, rule);
  return lines.join('\n');
}

const begin = '<!-- figures: begin -->';
const end = '<!-- figures: end -->';

/** Replaces what stands between the markers of a document. @throws Error when it has no markers. */
export async function replaceFigures(path: string, markdown: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${path} has no section between ${begin} and ${end}`);
  await writeFile(path, `${text.slice(0, from + begin.length)}\n\n${markdown}\n\n${text.slice(to)}`);
}

function columnWidths(rows: readonly Row[]): number[] {
  return (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
}

/** The first column to the left, figures to the right. */
function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function format(value: number, unit: Target['unit']): string {
  const digits = { ms: 0, s: 1, '%': 2, MiB: 0 }[unit];
  return `${value.toFixed(digits)} ${unit}`;
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function inMebibytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}
