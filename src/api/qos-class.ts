/** A pod's quality of service class (kubernetes pkg/apis/core/v1/helper/qos/qos.go). */
import { addQuantities, compareQuantities, parseQuantity, type Quantity } from './quantity.ts';
import type { Pod, ResourceRequirements } from './types.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const QOS_RESOURCES = ['cpu', 'memory'] as const;

/**
 * Guaranteed: every container has limits for CPU and memory, and requests equal to them. BestEffort: no container asks for
 * either. Resources of the pod itself, where given, stand for those of its containers.
 * @throws InvalidInputError for a text that is no quantity
 */
export function qosClass(pod: Pod): QosClass {
  const own = pod.spec.resources;
  const holders =
    own === undefined ? [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ resources }) => resources) : [own];
  const requests = sum(holders, 'requests');
  const limits = sum(holders, 'limits');
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  const limited = holders.every((resources) => QOS_RESOURCES.every((name) => amount(resources, 'limits', name) !== undefined));
  const equal = [...requests].every(([name, request]) => compareQuantities(request, limits.get(name) ?? request) === 0);
  return limited && equal && requests.size === limits.size ? 'Guaranteed' : 'Burstable';
}

type Side = 'requests' | 'limits';

function sum(holders: readonly (ResourceRequirements | undefined)[], side: Side): Map<string, Quantity> {
  const total = new Map<string, Quantity>();
  for (const resources of holders) {
    for (const name of QOS_RESOURCES) {
      const value = amount(resources, side, name);
      if (value === undefined) continue;
      const before = total.get(name);
      total.set(name, before === undefined ? value : addQuantities(before, value));
    }
  }
  return total;
}

/** A zero counts as absent. */
function amount(resources: ResourceRequirements | undefined, side: Side, name: string): Quantity | undefined {
  const text = resources?.[side]?.[name];
  const quantity = text === undefined ? undefined : parseQuantity(text);
  return quantity === undefined || quantity.nano <= 0n ? undefined : quantity;
}
