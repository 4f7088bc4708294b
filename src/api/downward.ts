import { UnimplementedError } from '../lib/errors.ts';
import type { ContainerSpec, Pod } from './types.ts';

/** Values that are not in the pod object. */
export interface DownwardFacts {
  readonly nodeName: string;
  readonly hostIPs: readonly string[];
  readonly podIPs: readonly string[];
}

/**
 * Value of a field reference (`metadata.labels['x']`, `status.podIP` …) as environment variables and downwardAPI volumes show it.
 * @throws InvalidInputError for a path that is not offered
 */
export function fieldValue(_pod: Pod, _fieldPath: string, _facts: DownwardFacts): string {
  throw new UnimplementedError('downward API values are being built');
}

/**
 * Value of a resource reference; a missing cpu, memory or ephemeral-storage limit is the node's allocatable.
 * @throws InvalidInputError for an unknown resource or container
 */
export function resourceFieldValue(
  _pod: Pod,
  _selector: { readonly containerName?: string; readonly resource: string; readonly divisor?: string },
  _container: Pick<ContainerSpec, 'name' | 'resources'> | undefined,
  _allocatable: Readonly<Record<string, string>>,
): string {
  throw new UnimplementedError('downward API values are being built');
}
