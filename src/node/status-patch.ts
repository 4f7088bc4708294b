/** The change from the Node object that the server has to the status it should have, as a patch of the status subresource. */
import { isDeepStrictEqual } from 'node:util';
import type { NodeCondition, NodeObject, NodeStatus } from '../api/types.ts';
import { isHugePages } from '../resources/pod-resources.ts';
import { isExtendedResource } from './node-status.ts';

/** Lists that the server replaces whole. */
const REPLACED = ['images', 'volumesInUse', 'declaredFeatures', 'runtimeHandlers'] as const;
const MERGED = ['nodeInfo', 'daemonEndpoints', 'features'] as const;
/** Labels that say what the machine is; nobody else may change them for long (kubelet_node_status.go updateNode). */
export type OwnLabels = Readonly<Record<string, string>>;

export interface StatusPatch {
  /** A strategic merge patch; `undefined` when there is nothing to say. */
  readonly body: object | undefined;
  /** Something differs besides the heartbeat. */
  readonly changed: boolean;
}

/**
 * Says only what differs, so that what others have put on the node stays: conditions, extended resources and labels that are not
 * ours are left alone. With `heartbeat` the conditions are sent even if nothing has changed.
 */
export function statusPatch(current: NodeObject, desired: NodeStatus, labels: OwnLabels, heartbeat: boolean): StatusPatch {
  const known = current.status ?? {};
  const status: Record<string, unknown> = {};
  for (const name of REPLACED) if (!sameList(known[name], desired[name])) status[name] = desired[name];
  for (const name of MERGED)
    if (desired[name] !== undefined && !isDeepStrictEqual(known[name], desired[name])) status[name] = desired[name];
  for (const name of ['capacity', 'allocatable'] as const) {
    const change = mapChange(known[name], desired[name] ?? {}, isOurs);
    if (change !== undefined) status[name] = change;
  }
  if (!isDeepStrictEqual(known.addresses ?? [], desired.addresses ?? [])) {
    // Marked as a list to merge by type, which two addresses of one type break (component-helpers node/util/status.go).
    status['addresses'] = [{ $patch: 'replace' }, ...(desired.addresses ?? [])];
  }
  const newLabels = mapChange(current.metadata.labels, labels, () => false);
  const conditionsChanged = (desired.conditions ?? []).some((condition) => differs(condition, known.conditions));
  const changed = conditionsChanged || Object.keys(status).length > 0 || newLabels !== undefined;
  if (!changed && !heartbeat) return { body: undefined, changed };
  // The heartbeat goes with every report.
  status['conditions'] = desired.conditions;
  return { body: { ...(newLabels === undefined ? {} : { metadata: { labels: newLabels } }), status }, changed };
}

function differs(condition: NodeCondition, known: readonly NodeCondition[] | undefined): boolean {
  const before = known?.find(({ type }) => type === condition.type);
  return (
    before === undefined || before.status !== condition.status || before.reason !== condition.reason || before.message !== condition.message
  );
}

/** An empty list and none are the same on the wire. */
function sameList(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  return isDeepStrictEqual(a ?? [], b ?? []);
}

/** Entries to set, and nulls for `ours` that are gone; `undefined` when nothing changes. */
function mapChange(
  known: Readonly<Record<string, string>> | undefined,
  desired: Readonly<Record<string, string>>,
  ours: (name: string) => boolean,
): Record<string, string | null> | undefined {
  const change: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(desired)) if (known?.[name] !== value) change[name] = value;
  for (const name of Object.keys(known ?? {})) if (!(name in desired) && ours(name)) change[name] = null;
  return Object.keys(change).length === 0 ? undefined : change;
}

/** Resources that go when the machine has them no more; extended ones only ever disappear from capacity first, by others' hand. */
function isOurs(name: string): boolean {
  return isHugePages(name) || isExtendedResource(name);
}
