import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from '../api/quantity.ts';
import type { Pod } from '../api/types.ts';
import { InvalidInputError } from '../lib/errors.ts';

const RESOURCE_PREFIX = 'hugepages-';

/**
 * Page size of an emptyDir with medium `HugePages` or `HugePages-<size>`, in the form of the mount option (`2Mi`), which the pod
 * must request (kubelet pkg/volume/emptydir getPageSizeMountOption).
 * @throws InvalidInputError when no container requests that size, or `HugePages` leaves the choice between several
 */
export function hugePageSize(pod: Pod, medium: string): string {
  const wanted = medium === 'HugePages' ? undefined : parseQuantity(medium.slice('HugePages-'.length));
  const requested = requestedPageSizes(pod).filter((size) => wanted === undefined || compareQuantities(size, wanted) === 0);
  const [first, ...others] = requested;
  if (first === undefined) {
    throw new InvalidInputError(`medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`);
  }
  if (others.some((other) => compareQuantities(first, other) !== 0)) {
    throw new InvalidInputError(`medium: ${medium} can't be used if container requests multiple huge page sizes`);
  }
  return formatQuantity(first);
}

function requestedPageSizes(pod: Pod): Quantity[] {
  const { containers, initContainers, resources } = pod.spec;
  const all = [...containers, ...(initContainers ?? [])].map((container) => container.resources);
  return [resources, ...all]
    .flatMap((requirements) => Object.keys(requirements?.requests ?? {}))
    .filter((name) => name.startsWith(RESOURCE_PREFIX))
    .map((name) => parseQuantity(name.slice(RESOURCE_PREFIX.length)));
}
