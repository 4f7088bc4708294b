/** Conditions of pods and nodes: lists with one entry a type. */
import { formatTime } from './meta.ts';

export interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
}

/** The condition of that type. */
export function findCondition<T extends ConditionLike>(conditions: readonly T[] | undefined, type: string): T | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition is there and `True`. */
export function isConditionTrue(conditions: readonly ConditionLike[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * The list with `condition` in the place of the one of its type, or at the end. The transition time stays as long as the status does and is
 * `nowMs` when the status changed. The given list is left as it is.
 */
export function withCondition<T extends ConditionLike>(conditions: readonly T[] | undefined, condition: T, nowMs: number): T[] {
  const previous = findCondition(conditions, condition.type);
  const kept = previous?.status === condition.status ? previous.lastTransitionTime : undefined;
  const next: T = { ...condition, lastTransitionTime: kept ?? formatTime(nowMs) };
  if (previous === undefined) return [...(conditions ?? []), next];
  return (conditions ?? []).map((other) => (other === previous ? next : other));
}
