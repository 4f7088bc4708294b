/**
 * Values of the downward API, shared by environment variables and downwardAPI volumes
 * (upstream pkg/fieldpath/fieldpath.go, pkg/api/v1/resource/helpers.go, kubelet_pods.go podFieldSelectorRuntimeValue).
 */
import { InvalidInputError, NotFoundError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { divideQuantity, parseQuantity } from './quantity.ts';
import type { ContainerSpec, Pod, ResourceRequirements } from './types.ts';

/** Values that are not in the pod object. */
export interface DownwardFacts {
  readonly hostIPs: readonly string[];
  /** The primary first. */
  readonly podIPs: readonly string[];
}

/** What a resource reference names (`limits.cpu`, `requests.memory`, `limits.hugepages-2Mi` …). */
export interface ResourceSelector {
  readonly containerName?: string;
  readonly resource: string;
  readonly divisor?: string | number;
}

/** Resources whose missing limit is the node's allocatable; huge pages are never overcommitted. */
const DEFAULTED_LIMITS: readonly string[] = ['cpu', 'memory', 'ephemeral-storage'];
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/**
 * Value of a field reference (`metadata.labels['x']`, `status.podIP` …) as environment variables and downwardAPI volumes show it.
 * @throws InvalidInputError for a path that is not offered
 */
export function fieldValue(pod: Pod, fieldPath: string, facts: DownwardFacts): string {
  const subscripted = /^(.+?)\['(.*)'\]$/s.exec(fieldPath);
  if (subscripted) return subscriptValue(pod, fieldPath, subscripted[1] ?? '', subscripted[2] ?? '');
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace;
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
    case 'spec.host':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return facts.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return facts.hostIPs.join(',');
    case 'status.podIP':
      return facts.podIPs[0] ?? '';
    case 'status.podIPs':
      return facts.podIPs.join(',');
    default:
      throw new InvalidInputError(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** Whether the value is known only once the pod's sandbox has its addresses. */
export function needsPodIPs(fieldPath: string): boolean {
  return fieldPath === 'status.podIP' || fieldPath === 'status.podIPs';
}

/**
 * Value of a resource reference in multiples of its divisor, rounded up; a missing cpu, memory or ephemeral-storage limit is the
 * node's allocatable.
 * @param container where a selector without a container name looks
 * @throws InvalidInputError for an unknown resource or a bad divisor
 * @throws NotFoundError when the pod has no container of that name
 */
export function resourceFieldValue(
  pod: Pod,
  selector: ResourceSelector,
  container: Pick<ContainerSpec, 'name' | 'resources'> | undefined,
  allocatable: Readonly<Record<string, string>>,
): string {
  const target = findContainer(pod, selector.containerName, container);
  const [, kind, resource = ''] = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(selector.resource) ?? [];
  if (kind !== 'limits' && kind !== 'requests') throw new InvalidInputError(`unsupported container resource : ${selector.resource}`);
  const amount = parseQuantity(effectiveAmount(target.resources, kind, resource, allocatable));
  const divisor = parseQuantity(selector.divisor ?? '1');
  return String(divideQuantity(amount, divisor.nano === 0n ? parseQuantity('1') : divisor));
}

/** A map as the downward API writes it: one `key="value"` a line, sorted by key. */
export function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join('\n');
}

function subscriptValue(pod: Pod, fieldPath: string, path: string, key: string): string {
  if (path !== 'metadata.labels' && path !== 'metadata.annotations') {
    throw new InvalidInputError(`fieldPath ${quote(fieldPath)} does not support subscript`);
  }
  const annotations = path === 'metadata.annotations';
  if (!QUALIFIED_NAME.test(annotations ? key.toLowerCase() : key)) {
    throw new InvalidInputError(`invalid key subscript in ${fieldPath}: expected a qualified name such as example.com/name`);
  }
  return (annotations ? pod.metadata.annotations : pod.metadata.labels)?.[key] ?? '';
}

function findContainer(
  pod: Pod,
  name: string | undefined,
  own: Pick<ContainerSpec, 'name' | 'resources'> | undefined,
): Pick<ContainerSpec, 'name' | 'resources'> {
  if (name === undefined || name === '') {
    if (own) return own;
    throw new InvalidInputError('a resource reference outside of a container must name one: set resourceFieldRef.containerName');
  }
  const found = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name);
  if (found) return found;
  throw new NotFoundError(`container ${name} not found`);
}

function effectiveAmount(
  resources: ResourceRequirements | undefined,
  kind: 'limits' | 'requests',
  resource: string,
  allocatable: Readonly<Record<string, string>>,
): string {
  const stated = resources?.[kind]?.[resource];
  const isZero = stated === undefined || parseQuantity(stated).nano === 0n;
  if (kind === 'limits' && isZero && DEFAULTED_LIMITS.includes(resource)) return allocatable[resource] ?? '0';
  return stated ?? '0';
}
