/** Label and field selectors: parsed once, matched often (apimachinery pkg/labels and pkg/fields). */
import { InvalidInputError } from '../lib/errors.ts';

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

/** One requirement; all of a selector's must hold. The same shape as matchExpressions of label selectors and node affinity. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

/** metav1.LabelSelector. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelRequirement[];
}

export type Labels = Readonly<Record<string, string>>;

/**
 * Whether the labels fulfil one requirement. NotIn and DoesNotExist hold when the key is absent; Gt and Lt compare whole numbers and fail on
 * anything else. An operator that is not known never holds.
 */
export function matchesRequirement({ key, operator, values = [] }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return compareWhole(value, values[0], (a, b) => a > b);
    case 'Lt':
      return compareWhole(value, values[0], (a, b) => a < b);
    default:
      return false;
  }
}

/** Whether the labels fulfil the selector. An empty selector matches everything, an absent one nothing. */
export function matchesLabelSelector(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (selector === undefined) return false;
  const present = labels ?? {};
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => Object.hasOwn(present, key) && present[key] === value) &&
    (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, present))
  );
}

/** Parses the text form (`app=web,tier in (a, b),!legacy,env!=test,cores>4`). @throws InvalidInputError */
export function parseLabelSelector(text: string): LabelRequirement[] {
  return splitOutsideParentheses(text)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseRequirement);
}

/** One term of a field selector. */
export interface FieldRequirement {
  readonly path: string;
  readonly equal: boolean;
  readonly value: string;
}

/** The text of a field selector that demands these values, escaped for the API. */
export function fieldSelector(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([path, value]) => `${path}=${value.replace(/[\\,=]/g, '\\$&')}`)
    .join(',');
}

/** Parses a field selector (`spec.nodeName=a,status.phase!=Failed`). @throws InvalidInputError */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitUnescaped(text)
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^([^=!\\]+)(!=|==?)((?:[^=\\]|\\[\\,=])*)$/s.exec(term);
      if (match === null) throw new InvalidInputError(`"${term}" is not a field selector term: expected path=value or path!=value`);
      const [, path = '', operator, value = ''] = match;
      return { path: path.trim(), equal: operator !== '!=', value: value.replace(/\\([\\,=])/g, '$1') };
    });
}

/** Whether the object has the values that the terms demand; a field that is absent counts as empty. */
export function matchesFields(requirements: readonly FieldRequirement[], object: unknown): boolean {
  return requirements.every(({ path, equal, value }) => (fieldText(object, path) === value) === equal);
}

const NAME = '[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?';
const SET_TERM = new RegExp(`^(${NAME})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const COMPARE_TERM = new RegExp(`^(${NAME})\\s*(==|!=|=|>|<)\\s*([-A-Za-z0-9_.]*)$`);
const EXISTS_TERM = new RegExp(`^(!?)\\s*(${NAME})$`);

function parseRequirement(term: string): LabelRequirement {
  const set = SET_TERM.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    return { key, operator: operator === 'in' ? 'In' : 'NotIn', values: list.split(',').map((value) => value.trim()) };
  }
  const comparison = COMPARE_TERM.exec(term);
  if (comparison !== null) {
    const [, key = '', sign = '', value = ''] = comparison;
    const operators: Readonly<Record<string, LabelOperator>> = { '!=': 'NotIn', '>': 'Gt', '<': 'Lt' };
    return { key, operator: operators[sign] ?? 'In', values: [value] };
  }
  const exists = EXISTS_TERM.exec(term);
  if (exists !== null) return { key: exists[2] ?? '', operator: exists[1] === '!' ? 'DoesNotExist' : 'Exists' };
  throw new InvalidInputError(`"${term}" is not a label selector requirement`);
}

function compareWhole(value: string | undefined, limit: string | undefined, holds: (a: bigint, b: bigint) => boolean): boolean {
  const whole = /^[+-]?\d{1,19}$/;
  if (value === undefined || limit === undefined || !whole.test(value) || !whole.test(limit)) return false;
  return holds(BigInt(value), BigInt(limit));
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^()]*\))/);
}

function splitUnescaped(text: string): string[] {
  return text.split(/(?<!(?<!\\)(?:\\\\)*\\),/);
}

function fieldText(object: unknown, path: string): string {
  let current: unknown = object;
  for (const part of path.split('.')) {
    if (typeof current !== 'object' || current === null) return '';
    current = Object.entries(current).find(([key]) => key === part)?.[1];
  }
  return typeof current === 'string' ? current : typeof current === 'number' || typeof current === 'boolean' ? String(current) : '';
}
