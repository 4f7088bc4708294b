/** Puts the configuration together: defaults < files < flags, checked, frozen. */
import { z } from 'zod';
import { readDocuments } from './documents.ts';
import type { Config, DerivedSettings } from './config.ts';
import { DEFAULT_EVICTION_HARD, FIELDS_WITHOUT_EFFECT, kubeletSchema, type KubeletSettings } from './kubelet-schema.ts';
import { isDnsSubdomain } from './labels.ts';
import { isTree, mergeLayers, sourceOf, valueAt, type DocumentName, type Layer, type Tree } from './layers.ts';
import { ConfigError, nearestName, type Problem } from './problems.ts';
import { brokenRules } from './rules.ts';
import { shoreletSchema, type ShoreletSettings } from './shorelet-schema.ts';

/** Facts of the machine that defaults depend on. */
export interface LoadFacts {
  readonly hostname: string;
}

export interface ConfigSources {
  /** Path of `--config`. */
  readonly file?: string | undefined;
  /** Path of `--config-dir`: its `.conf` files are laid over the file in the order of their names. */
  readonly directory?: string | undefined;
  readonly flags: readonly Layer[];
}

/** Reads the files and loads the configuration. @throws ConfigError */
export async function loadConfig(sources: ConfigSources, facts: LoadFacts, signal: AbortSignal): Promise<Config> {
  const documents = await readDocuments(sources.file, sources.directory, signal);
  return resolveConfig([...documents, ...sources.flags], facts);
}

/** The configuration that the layers amount to. Pure. @throws ConfigError naming every fault */
export function resolveConfig(layers: readonly Layer[], facts: LoadFacts): Config {
  const problems: Problem[] = [];
  const kubelet = parse(kubeletSchema, withDependentDefaults(mergeLayers(layers, 'kubelet')), 'kubelet', layers, problems);
  const shorelet = parse(shoreletSchema, mergeLayers(layers, 'shorelet'), 'shorelet', layers, problems);
  if (kubelet === undefined || shorelet === undefined) throw new ConfigError(problems);
  for (const { document, path, expected, found, remedy } of brokenRules(kubelet, shorelet)) {
    problems.push({ path: path.join('.'), source: sourceOf(layers, document, path), expected, found, remedy });
  }
  const derived = derive(kubelet, shorelet, facts);
  if (!isDnsSubdomain(derived.nodeName)) {
    problems.push({
      path: 'nodeName',
      source: 'default',
      expected: 'a host name that can be a node name, a lower-case DNS name',
      found: facts.hostname,
      remedy: 'Set nodeName or --node-name.',
    });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({ kubelet, shorelet, derived, warnings: warningsAbout(kubelet, layers) });
}

/** Defaults of one field that depend on another (kubelet pkg/kubelet/apis/config/v1beta1/defaults.go, cmd/kubelet/app/server.go). */
function withDependentDefaults(tree: Tree): Tree {
  const result: Tree = { ...tree };
  if (!isSet(tree['nodeStatusReportFrequency']) && isSet(tree['nodeStatusUpdateFrequency'])) {
    result['nodeStatusReportFrequency'] = tree['nodeStatusUpdateFrequency'];
  }
  if (tree['mergeDefaultEvictionSettings'] === true && isTree(tree['evictionHard'])) {
    result['evictionHard'] = { ...DEFAULT_EVICTION_HARD, ...tree['evictionHard'] };
  }
  return result;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== '0s' && value !== '0';
}

function parse<Schema extends z.ZodObject>(
  schema: Schema,
  tree: Tree,
  document: DocumentName,
  layers: readonly Layer[],
  problems: Problem[],
): z.output<Schema> | undefined {
  const result = schema.safeParse(tree);
  if (result.success) return result.data;
  for (const issue of result.error.issues) problems.push(...problemsOf(issue, schema, tree, document, layers));
  return undefined;
}

/** So many allowed names are listed in a message; of more only the nearest is named. */
const MAX_NAMED = 12;

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, tree: Tree, document: DocumentName, layers: readonly Layer[]): Problem[] {
  if (issue.code !== 'unrecognized_keys') {
    const source = sourceOf(layers, document, issue.path);
    const remedy = source.startsWith('--') ? 'Correct the flag, or leave it out.' : 'Correct it there, or remove it for the default.';
    return [{ path: issue.path.join('.'), source, expected: issue.message, found: valueAt(tree, issue.path), remedy }];
  }
  const known = fieldNames(schema, issue.path);
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    const nearest = nearestName(key, known);
    const remedy = nearest === undefined ? 'Remove it.' : `Did you mean "${nearest}"? Correct the name, or remove it.`;
    const expected = known.length > 0 && known.length <= MAX_NAMED ? `one of ${known.join(', ')}` : 'a known field';
    return { path: path.join('.'), source: sourceOf(layers, document, path), expected, found: key, remedy };
  });
}

/** Names that the object or record schema at `path` allows. */
function fieldNames(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: z.core.$ZodType = unwrap(schema);
  for (const key of path) {
    const next: z.core.$ZodType | undefined =
      current instanceof z.ZodObject ? shapeOf(current)[String(key)] : current instanceof z.ZodArray ? current.element : undefined;
    if (next === undefined) return [];
    current = unwrap(next);
  }
  if (current instanceof z.ZodRecord && current.keyType instanceof z.ZodEnum) return current.keyType.options.map(String);
  return current instanceof z.ZodObject ? Object.keys(shapeOf(current)) : [];
}

function shapeOf(schema: z.ZodObject): z.core.$ZodShape {
  return schema.shape;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return unwrap(schema.unwrap());
  return schema;
}

/** From this verbosity on the kubelet's log is for developers. */
const DEBUG_VERBOSITY = 4;

function derive(kubelet: KubeletSettings, shorelet: ShoreletSettings, facts: LoadFacts): DerivedSettings {
  const inside = kubelet.containerRuntimeEndpoint === '' || kubelet.containerRuntimeEndpoint === shorelet.dockershim.endpoint;
  return {
    runtime: inside ? 'dockershim' : 'cri',
    nodeName: shorelet.nodeName === '' ? facts.hostname.trim().toLowerCase() : shorelet.nodeName,
    certDirectory: shorelet.certDirectory === '' ? `${shorelet.rootDirectory}/pki` : shorelet.certDirectory,
    dockershimRootDirectory:
      shorelet.dockershim.rootDirectory === '' ? `${shorelet.rootDirectory}/dockershim` : shorelet.dockershim.rootDirectory,
    imageServiceEndpoint: inside
      ? ''
      : kubelet.imageServiceEndpoint === ''
        ? kubelet.containerRuntimeEndpoint
        : kubelet.imageServiceEndpoint,
    log: { level: kubelet.logging.verbosity >= DEBUG_VERBOSITY ? 'debug' : 'info', format: kubelet.logging.format },
  };
}

function warningsAbout(kubelet: KubeletSettings, layers: readonly Layer[]): string[] {
  const given = mergeLayers(layers, 'kubelet');
  const defaults = kubeletSchema.parse({});
  const idle = [...FIELDS_WITHOUT_EFFECT].filter((name) => given[name] !== undefined && !sameValue(kubelet[name], defaults[name]));
  return idle.length === 0 ? [] : [`these settings are accepted but have no effect here: ${idle.sort().join(', ')}`];
}

function sameValue(a: unknown, b: unknown): boolean {
  const plain = (value: unknown): string | undefined =>
    JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item));
  return plain(a) === plain(b);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
