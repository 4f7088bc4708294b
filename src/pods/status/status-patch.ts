/** From one status to the next as a strategic merge patch, touching only what the node owns (kubernetes pkg/util/pod PatchPodStatus). */
import { isDeepStrictEqual } from 'node:util';
import { findCondition } from '../../api/conditions.ts';
import type { PodCondition, PodStatus } from '../../api/types.ts';
import { OWN_CONDITIONS, SHARED_CONDITIONS } from './conditions.ts';

/** Fields that are one value for the patch. */
const WHOLE_FIELDS = [
  'phase',
  'reason',
  'message',
  'podIP',
  'hostIP',
  'qosClass',
  'startTime',
  'observedGeneration',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
  'resources',
  'allocatedResources',
] as const satisfies readonly (keyof PodStatus)[];

/** Lists that the server would merge by key, where the node means the whole list. */
const REPLACED_LISTS = ['podIPs', 'hostIPs'] as const satisfies readonly (keyof PodStatus)[];

/** The patch's `status`; `undefined`: nothing that the node owns differs. */
export function statusPatch(from: PodStatus | undefined, to: PodStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const field of WHOLE_FIELDS) {
    if (!isDeepStrictEqual(from?.[field], to[field])) patch[field] = to[field] ?? null;
  }
  for (const field of REPLACED_LISTS) {
    if (isDeepStrictEqual(from?.[field], to[field])) continue;
    patch[field] = (from?.[field] ?? []).length === 0 ? to[field] : [{ $patch: 'replace' }, ...(to[field] ?? [])];
  }
  const conditions = conditionsPatch(from?.conditions ?? [], to.conditions ?? []);
  if (conditions.length > 0) patch['conditions'] = conditions;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Whether the parts that the node owns are the same. */
export function sameOwnStatus(a: PodStatus | undefined, b: PodStatus | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return statusPatch(a, b) === undefined;
}

function conditionsPatch(from: readonly PodCondition[], to: readonly PodCondition[]): object[] {
  const isOwn = ({ type }: PodCondition): boolean => OWN_CONDITIONS.includes(type) || SHARED_CONDITIONS.includes(type);
  const changed = to.filter((condition) => isOwn(condition) && !sameCondition(findCondition(from, condition.type), condition));
  // A condition of somebody else's making that the node shares is never taken away.
  const gone = from.filter(({ type }) => OWN_CONDITIONS.includes(type) && findCondition(to, type) === undefined);
  return [
    ...changed.map((condition) => withoutLeftovers(findCondition(from, condition.type), condition)),
    ...gone.map(({ type }) => ({ $patch: 'delete', type })),
  ];
}

function sameCondition(a: PodCondition | undefined, b: PodCondition): boolean {
  return (
    a?.status === b.status &&
    (a.reason ?? '') === (b.reason ?? '') &&
    (a.message ?? '') === (b.message ?? '') &&
    a.observedGeneration === b.observedGeneration
  );
}

/** Entries are merged by type: a reason or message that is over has to be taken out by name. */
function withoutLeftovers(from: PodCondition | undefined, to: PodCondition): object {
  return {
    ...(from?.reason === undefined ? {} : { reason: null }),
    ...(from?.message === undefined ? {} : { message: null }),
    ...to,
  };
}
