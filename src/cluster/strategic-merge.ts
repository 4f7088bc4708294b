/** Strategic merge patches: the smallest one that makes one object of another (apimachinery pkg/util/strategicpatch). */

/** How lists are merged: the key that tells their items apart, by the list's field name. Other lists are replaced as a whole. */
export type MergeKeys = Readonly<Record<string, string>>;

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/**
 * The patch from `before` to `after`: fields that changed, `null` for those that are gone, items of merged lists by their key. Fields
 * that both have in common do not appear, so what others changed meanwhile stays. `undefined` when nothing changed.
 */
export function createStrategicPatch(before: object, after: object, mergeKeys: MergeKeys): Record<string, unknown> | undefined {
  const patch = diffObjects(asObject(before), asObject(after), mergeKeys);
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Whether two JSON values are the same. `undefined`, null and an empty list all count as absent: the server leaves them out (Go's omitempty). */
export function jsonEqual(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (isAbsent(a) || isAbsent(b)) return isAbsent(a) && isAbsent(b);
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => jsonEqual(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  return Object.keys(a).every((key) => jsonEqual(a[key], b[key])) && Object.keys(b).every((key) => !isAbsent(a[key]) || isAbsent(b[key]));
}

function isAbsent(value: Json): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

function diffObjects(before: JsonObject, after: JsonObject, mergeKeys: MergeKeys): Record<string, Json> {
  const patch: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[key];
    const next = after[key];
    if (jsonEqual(old, next)) continue;
    const mergeKey = mergeKeys[key];
    if (next === undefined || next === null) {
      if (old !== undefined && old !== null) patch[key] = null;
    } else if (isObject(old) && isObject(next)) {
      const inner = diffObjects(old, next, mergeKeys);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (mergeKey !== undefined && Array.isArray(next) && (Array.isArray(old) || old === undefined || old === null)) {
      Object.assign(patch, diffList(key, mergeKey, asItems(old), asItems(next), mergeKeys));
    } else {
      patch[key] = next;
    }
  }
  return patch;
}

/** Changed and new items, deletions by key, and the order that the list is to have. */
function diffList(
  field: string,
  mergeKey: string,
  before: readonly JsonObject[],
  after: readonly JsonObject[],
  mergeKeys: MergeKeys,
): Record<string, Json> {
  const old = new Map(before.map((item) => [item[mergeKey], item]));
  const kept = new Set(after.map((item) => item[mergeKey]));
  const changed = after.flatMap((item): JsonObject[] => {
    const key = item[mergeKey];
    const previous = old.get(key);
    if (previous === undefined) return [item];
    const difference = diffObjects(previous, item, mergeKeys);
    return Object.keys(difference).length === 0 ? [] : [{ ...difference, [mergeKey]: key }];
  });
  const removed = before.filter((item) => !kept.has(item[mergeKey])).map((item) => ({ $patch: 'delete', [mergeKey]: item[mergeKey] }));
  const moved = before.filter((item) => kept.has(item[mergeKey])).some((item, index) => item[mergeKey] !== after[index]?.[mergeKey]);
  if (changed.length === 0 && removed.length === 0 && !moved) return {};
  return {
    [`$setElementOrder/${field}`]: after.map((item) => ({ [mergeKey]: item[mergeKey] })),
    ...(changed.length + removed.length === 0 ? {} : { [field]: [...changed, ...removed] }),
  };
}

function asItems(list: Json): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function asObject(value: object): JsonObject {
  return isObject(value) ? value : {};
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
