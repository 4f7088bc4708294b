/** What is wrong with a configuration, said so that the reader can put it right. */
import { InvalidInputError } from '../lib/errors.ts';

/** One fault: where, what was expected, what was found, what to do. */
export interface Problem {
  /** `maxPods`, `authentication.webhook.cacheTTL`; empty for a whole document. */
  readonly path: string;
  /** The file or flag the value came from. */
  readonly source: string;
  readonly expected: string;
  /** The value as it stands there; `undefined` when nothing does. */
  readonly found: unknown;
  readonly remedy: string;
}

/** The configuration cannot be used. The process ends with exit code 2. */
export class ConfigError extends InvalidInputError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

/** `maxPods (node.yaml): expected a whole number, 1 or greater; found "many". Correct it there, …` */
export function describeProblem({ path, source, expected, found, remedy }: Problem): string {
  const place = path === '' ? source : `${path} (${source})`;
  return `${place}: expected ${expected}; found ${shown(found)}. ${remedy}`;
}

/** Longest piece of a wrong value that is repeated in a message. */
const MAX_SHOWN = 120;

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** The candidate that `name` is most likely a slip of; `undefined` when none is near. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const limit = Math.max(2, Math.floor(name.length / 3));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
