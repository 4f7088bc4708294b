/** URL paths of the Kubernetes API. */
import { InvalidInputError } from '../lib/errors.ts';
import type { Resource } from './types.ts';

export interface PathTarget {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The path of a collection, an object or a subresource; absent query values are left out. A namespaced resource without a
 * namespace means all namespaces.
 * @throws InvalidInputError for a name that would change the path
 */
export function resourcePath(resource: Resource<unknown>, target: PathTarget, query: Query = {}): string {
  const { namespace, name, subresource } = target;
  const segments = [
    resource.group === '' ? 'api' : 'apis',
    ...(resource.group === '' ? [] : [resource.group]),
    resource.version,
    ...(namespace === undefined || !resource.namespaced ? [] : ['namespaces', segment(namespace)]),
    resource.resource,
    ...(name === undefined ? [] : [segment(name)]),
    ...(subresource === undefined ? [] : [segment(subresource)]),
  ];
  const parameters = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`);
  return `/${segments.join('/')}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`;
}

function segment(text: string): string {
  if (text === '' || text === '.' || text === '..') throw new InvalidInputError(`${JSON.stringify(text)} cannot name an object`);
  return encodeURIComponent(text);
}
