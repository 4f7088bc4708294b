/** Whether what the pod requests is still free (scheduler plugins/noderesources/fit.go, kubelet lifecycle/predicate.go). */
import { addQuantities, type Quantity } from '../../api/quantity.ts';
import { milliUnits, parseResources, podRequests, wholeUnits, type Resources } from '../../resources/pod-resources.ts';
import type { AdmissionInput, Rejection } from './types.ts';

/** The first resource of which there is too little: pods, then CPU, memory, local storage, then the others by name. */
export function insufficientResources({ pod, others, node }: AdmissionInput): Rejection | undefined {
  const allocatable = parseResources(node.allocatable);
  const pods = wholeUnits(allocatable, 'pods');
  if (others.length + 1 > pods) return insufficient('pods', 1, others.length, pods);
  const wanted = podRequests(pod);
  const used = sumOf(others.map(podRequests));
  for (const name of inOrder([...wanted.keys()])) {
    // What the node knows nothing of is somebody else's resource (cluster-level extended resources, dynamic allocation).
    if (isExtended(name) && !allocatable.has(name)) continue;
    const amount = name === 'cpu' ? milliUnits : wholeUnits;
    const [requested, taken, capacity] = [amount(wanted, name), amount(used, name), amount(allocatable, name)];
    if (requested > 0 && requested > capacity - taken) return insufficient(name, requested, taken, capacity);
  }
  return undefined;
}

const FIRST = ['cpu', 'memory', 'ephemeral-storage'];

function inOrder(names: readonly string[]): string[] {
  const rest = names.filter((name) => !FIRST.includes(name)).sort();
  return [...FIRST.filter((name) => names.includes(name)), ...rest];
}

function isExtended(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
}

/** CPU in thousandths, all others in whole units. */
function insufficient(name: string, requested: number, used: number, capacity: number): Rejection {
  return {
    reason: `OutOf${name}`,
    message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

function sumOf(all: readonly Resources[]): Map<string, Quantity> {
  const sum = new Map<string, Quantity>();
  for (const resources of all) {
    for (const [name, amount] of resources) {
      const before = sum.get(name);
      sum.set(name, before === undefined ? amount : addQuantities(before, amount));
    }
  }
  return sum;
}
