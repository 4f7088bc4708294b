/** Names, keys and timestamps of objects. */
import type { KubeObject, Pod } from './types.ts';

/** `namespace/name`, or the name alone for what has no namespace: the key of caches and the name in messages. */
export function namespacedName(object: { readonly metadata: { readonly namespace?: string; readonly name: string } }): string {
  return objectKey(object.metadata.namespace, object.metadata.name);
}

/** See {@link namespacedName}. */
export function objectKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/** Whether somebody has asked for its deletion. */
export function isBeingDeleted(object: KubeObject | Pod): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

/** metav1.Time: RFC 3339 in UTC, whole seconds. */
export function formatTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime: six decimals. */
export function formatMicroTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}

/** Milliseconds since the epoch; `undefined` for an absent or unreadable time. */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const epochMs = Date.parse(text);
  return Number.isNaN(epochMs) ? undefined : epochMs;
}
