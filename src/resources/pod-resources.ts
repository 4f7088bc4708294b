/** Sums of what the containers of a pod ask for (k8s.io/component-helpers resource/helpers.go; KEPs 753 and 2837). */
import type { AnyContainerSpec, ContainerSpec, Pod } from '../api/types.ts';
import { addQuantities, compareQuantities, parseQuantity, type Quantity } from '../api/quantity.ts';

/** Amounts by resource name. */
export type Resources = ReadonlyMap<string, Quantity>;

/** A resource list of the API, parsed. @throws InvalidInputError for what is no quantity */
export function parseResources(list: Readonly<Record<string, string>> | undefined): Map<string, Quantity> {
  return new Map(Object.entries(list ?? {}).map(([name, amount]) => [name, parseQuantity(amount)]));
}

/** What the pod as a whole requests: what the scheduler and admission count. Overhead included. */
export function podRequests(pod: Pod): Map<string, Quantity> {
  const sum = aggregate(pod, 'requests');
  if (hasPodLevelRequests(pod)) override(sum, pod.spec.resources?.requests);
  return add(sum, parseResources(pod.spec.overhead));
}

/** What the containers request together, without the pod's own resources and overhead. */
export function containerRequests(pod: Pod): Map<string, Quantity> {
  return aggregate(pod, 'requests');
}

/** What the pod as a whole is limited to, for the resources that have a limit. Overhead is added to these. */
export function podLimits(pod: Pod): Map<string, Quantity> {
  const sum = aggregate(pod, 'limits');
  if (hasPodLevelResources(pod)) override(sum, pod.spec.resources?.limits);
  for (const [name, amount] of parseResources(pod.spec.overhead)) {
    const limit = sum.get(name);
    if (limit !== undefined && limit.nano !== 0n) sum.set(name, addQuantities(limit, amount));
  }
  return sum;
}

/** Whether the pod's own `resources` say anything that is supported there: CPU, memory, huge pages. */
export function hasPodLevelResources(pod: Pod): boolean {
  const { requests, limits } = pod.spec.resources ?? {};
  return [...Object.keys(requests ?? {}), ...Object.keys(limits ?? {})].some(isPodLevelResource);
}

export function hasPodLevelRequests(pod: Pod): boolean {
  return Object.keys(pod.spec.resources?.requests ?? {}).some(isPodLevelResource);
}

export function isHugePages(name: string): boolean {
  return name.startsWith(HUGE_PAGES_PREFIX);
}

/** An init container that runs beside the others. */
export function isSidecar(pod: Pod, container: AnyContainerSpec): boolean {
  return pod.spec.initContainers?.some((init) => init.name === container.name && isRestartable(init)) ?? false;
}

/** Whole units, rounded up; 0 when the resource is not there. */
export function wholeUnits(resources: Resources, name: string): number {
  const amount = resources.get(name);
  return amount === undefined ? 0 : Number(divideUp(amount.nano, NANO));
}

/** Thousandths, rounded up; 0 when the resource is not there. */
export function milliUnits(resources: Resources, name: string): number {
  const amount = resources.get(name);
  return amount === undefined ? 0 : Number(divideUp(amount.nano, NANO / 1000n));
}

const HUGE_PAGES_PREFIX = 'hugepages-';
const NANO = 1_000_000_000n;

function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || isHugePages(name);
}

/**
 * Containers run at the same time, so they add up; init containers run one after another, each beside the sidecars started
 * before it, so the pod needs the larger of both.
 */
function aggregate(pod: Pod, kind: 'requests' | 'limits'): Map<string, Quantity> {
  const sum = new Map<string, Quantity>();
  for (const container of pod.spec.containers) add(sum, ownResources(container, kind));
  const sidecars = new Map<string, Quantity>();
  const initialization = new Map<string, Quantity>();
  for (const container of pod.spec.initContainers ?? []) {
    const own = ownResources(container, kind);
    if (isRestartable(container)) {
      add(sum, own);
      add(sidecars, own);
      atLeast(initialization, sidecars);
    } else {
      atLeast(initialization, add(new Map(own), sidecars));
    }
  }
  return atLeast(sum, initialization);
}

function ownResources(container: ContainerSpec, kind: 'requests' | 'limits'): Map<string, Quantity> {
  return parseResources(container.resources?.[kind]);
}

function isRestartable(container: ContainerSpec): boolean {
  return container.restartPolicy === 'Always';
}

function add(sum: Map<string, Quantity>, more: Resources): Map<string, Quantity> {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before === undefined ? amount : addQuantities(before, amount));
  }
  return sum;
}

function atLeast(sum: Map<string, Quantity>, minimum: Resources): Map<string, Quantity> {
  for (const [name, amount] of minimum) {
    const before = sum.get(name);
    if (before === undefined || compareQuantities(amount, before) > 0) sum.set(name, amount);
  }
  return sum;
}

function override(sum: Map<string, Quantity>, list: Readonly<Record<string, string>> | undefined): void {
  for (const [name, amount] of parseResources(list)) if (isPodLevelResource(name)) sum.set(name, amount);
}

function divideUp(value: bigint, divisor: bigint): bigint {
  return value % divisor === 0n || value < 0n ? value / divisor : value / divisor + 1n;
}
