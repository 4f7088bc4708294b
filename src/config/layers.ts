/** Layers of configuration, each from one file or one flag, laid over one another. */

export type DocumentName = 'kubelet' | 'shorelet';
export type Tree = Record<string, unknown>;

/** What one source says: a whole document, or one value of one. */
export type Layer = {
  readonly document: DocumentName;
  /** Name of the file, or the flag with its dashes. */
  readonly source: string;
} & ({ readonly values: Tree } | { readonly path: readonly string[]; readonly value: unknown });

/**
 * The layers of one document as one tree; later layers win. Files are merged as the kubelet merges its drop-in files (maps are
 * joined, lists replaced, a null takes a value away); a flag replaces what stands at its path.
 */
export function mergeLayers(layers: readonly Layer[], document: DocumentName): Tree {
  let merged: Tree = {};
  for (const layer of layers) {
    if (layer.document !== document) continue;
    merged = 'values' in layer ? mergeTree(merged, layer.values) : withValue(merged, layer.path, layer.value);
  }
  return merged;
}

/** Where the value at `path` (or at the nearest of its parents) came from, for messages. */
export function sourceOf(layers: readonly Layer[], document: DocumentName, path: readonly PropertyKey[]): string {
  const candidates = layers.filter((layer) => layer.document === document);
  for (let length = path.length; length > 0; length -= 1) {
    const wanted = path.slice(0, length);
    const layer = candidates.findLast((candidate) => valueAt(asTree(candidate), wanted) !== undefined);
    if (layer !== undefined) return layer.source;
  }
  return candidates.at(-1)?.source ?? 'default';
}

export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let current: unknown = tree;
  for (const key of path) {
    if (Array.isArray(current)) current = typeof key === 'number' ? (current as unknown[])[key] : undefined;
    else if (isTree(current) && Object.hasOwn(current, key)) current = current[String(key)];
    else return undefined;
  }
  return current;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asTree(layer: Layer): Tree {
  return 'values' in layer ? layer.values : withValue({}, layer.path, layer.value);
}

function mergeTree(base: Tree, over: Tree): Tree {
  const result: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    if (value === null) delete result[key];
    else result[key] = isTree(value) ? mergeTree(isTree(before) ? before : {}, value) : value;
  }
  return result;
}

function withValue(base: Tree, path: readonly string[], value: unknown): Tree {
  const [first, ...rest] = path;
  if (first === undefined) return base;
  const before = base[first];
  return { ...base, [first]: rest.length === 0 ? value : withValue(isTree(before) ? before : {}, rest, value) };
}
