/** JSON of the API server as checked objects. What is malformed is refused or left out with a log line, never passed on. */
import type { StatusObject } from '../api/types.ts';
import { CodedError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { isRecord } from './resources.ts';
import { asStatus, fromStatus } from './status-error.ts';
import type { ObjectList, Resource, WatchEvent } from './types.ts';

/** `pods`, `leases.coordination.k8s.io`: how messages name a resource. */
export function describe(resource: Resource<unknown>): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** One object. @throws CodedError Internal when it is not what was asked for */
export function decodeObject<T>(resource: Resource<T>, request: string, text: string): T {
  const value = parseJson(request, text);
  if (!accepts(resource, value)) throw malformed(`${request} was not answered with a ${resource.kind}`);
  return value;
}

/** A list; items that are malformed are left out. @throws CodedError Internal when it is no list */
export function decodeList<T>(resource: Resource<T>, request: string, text: string, log: Logger): ObjectList<T> {
  const value = parseJson(request, text);
  const metadata = isRecord(value) ? value['metadata'] : undefined;
  const items = isRecord(value) ? (value['items'] ?? []) : undefined;
  const resourceVersion = isRecord(metadata) ? metadata['resourceVersion'] : undefined;
  if (!isRecord(metadata) || !Array.isArray(items) || typeof resourceVersion !== 'string') {
    throw malformed(`${request} was not answered with a list`);
  }
  const kept: T[] = [];
  for (const item of items as readonly unknown[]) {
    if (accepts(resource, item)) kept.push(item);
    else logMalformed(resource, item, log);
  }
  const continueToken = metadata['continue'];
  return { items: kept, resourceVersion, ...(typeof continueToken === 'string' && continueToken !== '' ? { continueToken } : {}) };
}

/**
 * One line of a watch; `undefined` for an object that is malformed.
 * @throws the error that the server reports in it, or CodedError Internal for a line that is no event
 */
export function decodeWatchLine<T>(resource: Resource<T>, line: string, log: Logger): WatchEvent<T> | undefined {
  const event = parseJson(`the watch of ${describe(resource)}`, line);
  if (!isRecord(event)) throw malformed(`the watch of ${describe(resource)} has a line that is no event`);
  const { type, object } = event;
  if (type === 'ERROR') throw watchError(resource, asStatus(object));
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  const resourceVersion = isRecord(metadata) ? metadata['resourceVersion'] : undefined;
  if (typeof resourceVersion !== 'string') throw malformed(`the watch of ${describe(resource)} has an event without version`);
  if (type === 'BOOKMARK') return { type: 'bookmark', resourceVersion };
  const name = type === 'ADDED' ? 'added' : type === 'MODIFIED' ? 'modified' : type === 'DELETED' ? 'deleted' : undefined;
  if (name === undefined) throw malformed(`the watch of ${describe(resource)} has an event of unknown type`);
  if (accepts(resource, object)) return { type: name, object, resourceVersion };
  logMalformed(resource, object, log);
  return undefined;
}

/** The guard, after dropping `managedFields`: nobody here reads them and they can be half of an object. */
function accepts<T>(resource: Resource<T>, value: unknown): value is T {
  if (isRecord(value) && isRecord(value['metadata'])) Reflect.deleteProperty(value['metadata'], 'managedFields');
  return resource.is(value);
}

function parseJson(request: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(`${request} was not answered with JSON`, error);
  }
}

function watchError(resource: Resource<unknown>, status: StatusObject | undefined): Error {
  if (status === undefined) return malformed(`the watch of ${describe(resource)} reported an error without saying which`);
  return fromStatus(status.code ?? 500, status);
}

/** Not the connection's fault: trying again may get the same. */
function malformed(message: string, cause?: unknown): CodedError {
  return new CodedError('Internal', message, cause === undefined ? {} : { cause });
}

function logMalformed(resource: Resource<unknown>, value: unknown, log: Logger): void {
  const metadata = isRecord(value) && isRecord(value['metadata']) ? value['metadata'] : {};
  log.warn('The API server sent a malformed object; it is left out', {
    resource: describe(resource),
    namespace: metadata['namespace'],
    name: metadata['name'],
  });
}
