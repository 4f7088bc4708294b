/** The Node object as it should be, given the one that the server has: ours in its place, everything else as it is. */
import type { NodeCondition, NodeObject, NodeStatus } from '../api/types.ts';
import { jsonEqual } from '../cluster/strategic-merge.ts';

/** Labels that say what the machine is; they are set right whenever they differ (kubelet_node_status.go updateNode). */
export type OwnLabels = Readonly<Record<string, string>>;

/** Conditions, labels and resources of others stay. */
export function desiredNode(current: NodeObject, status: NodeStatus, labels: OwnLabels): NodeObject {
  return {
    ...current,
    metadata: { ...current.metadata, labels: { ...current.metadata.labels, ...labels } },
    status: { ...current.status, ...status, conditions: mergeConditions(current.status?.conditions ?? [], status.conditions ?? []) },
  };
}

/** Whether anything but the time of the heartbeat differs. */
export function nodeHasChanged(before: NodeObject, after: NodeObject): boolean {
  return !jsonEqual(comparable(before), comparable(after));
}

function mergeConditions(current: readonly NodeCondition[], ours: readonly NodeCondition[]): NodeCondition[] {
  const kept = current.map((condition) => ours.find(({ type }) => type === condition.type) ?? condition);
  return [...kept, ...ours.filter(({ type }) => !current.some((condition) => condition.type === type))];
}

/** Empty lists are not on the wire, so they equal absent ones. */
function comparable({ metadata, status }: NodeObject): object {
  const { conditions, ...rest } = status ?? {};
  return {
    labels: metadata.labels ?? {},
    status: Object.fromEntries(Object.entries(rest).filter(([, value]) => !(Array.isArray(value) && value.length === 0))),
    conditions: (conditions ?? []).map(({ lastHeartbeatTime: _lastHeartbeatTime, ...condition }) => condition),
  };
}
