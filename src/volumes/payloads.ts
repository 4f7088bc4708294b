/** From API objects to files (kubelet pkg/volume/configmap, secret and downwardapi). */
import { fieldValue, resourceFieldValue, type DownwardFacts } from '../api/downward.ts';
import type { ConfigMap, Pod, Secret, VolumeSpec } from '../api/types.ts';
import { errorMessage } from '../lib/errors.ts';
import type { FileProjection } from './atomic-writer.ts';

/** What the API server fills in; manifests that never saw one lack it. */
export const DEFAULT_FILE_MODE = 0o644;

export type Files = Map<string, FileProjection>;

/** Which keys become which files; none: every key under its own name. */
export interface KeyItem {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}

export interface Selection {
  readonly items: readonly KeyItem[] | undefined;
  readonly defaultMode: number;
  /** Missing keys are left out instead of being an error. */
  readonly optional: boolean;
}

/** @throws Error naming the key that is missing */
export function configMapFiles(configMap: ConfigMap | undefined, selection: Selection): Files {
  const content = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(configMap?.data ?? {})) content.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(configMap?.binaryData ?? {})) content.set(key, Buffer.from(base64, 'base64'));
  return select(content, selection, (key) => `configmap references non-existent config key: ${key}`);
}

/** @throws Error naming the key that is missing */
export function secretFiles(secret: Secret | undefined, selection: Selection): Files {
  const entries = Object.entries(secret?.data ?? {});
  const content = new Map(entries.map(([key, base64]) => [key, Buffer.from(base64, 'base64')]));
  return select(content, selection, (key) => `references non-existent secret key: ${key}`);
}

export type DownwardItem = NonNullable<NonNullable<VolumeSpec['downwardAPI']>['items']>[number];

export interface DownwardNode extends DownwardFacts {
  readonly allocatable: Readonly<Record<string, string>>;
}

/** @throws Error that names every item without a value */
export function downwardFiles(items: readonly DownwardItem[], pod: Pod, defaultMode: number, node: DownwardNode): Files {
  const files: Files = new Map();
  const problems: unknown[] = [];
  for (const item of items) {
    try {
      files.set(item.path, { data: Buffer.from(downwardValue(item, pod, node)), mode: item.mode ?? defaultMode });
    } catch (error) {
      problems.push(error);
    }
  }
  throwAll(problems);
  return files;
}

/** Several failures as one, in the form of Kubernetes' aggregates. Does nothing when there is none. */
export function throwAll(problems: readonly unknown[]): void {
  if (problems.length === 0) return;
  if (problems.length === 1) throw problems[0];
  throw new Error(`[${[...new Set(problems.map(errorMessage))].join(', ')}]`, { cause: problems[0] });
}

function select(
  content: ReadonlyMap<string, Uint8Array>,
  { items, defaultMode, optional }: Selection,
  missing: (key: string) => string,
): Files {
  const files: Files = new Map();
  if (items === undefined || items.length === 0) {
    for (const [key, data] of content) files.set(key, { data, mode: defaultMode });
    return files;
  }
  for (const { key, path, mode } of items) {
    const data = content.get(key);
    if (data !== undefined) files.set(path, { data, mode: mode ?? defaultMode });
    else if (!optional) throw new Error(missing(key));
  }
  return files;
}

function downwardValue(item: DownwardItem, pod: Pod, node: DownwardNode): string {
  if (item.fieldRef !== undefined) return fieldValue(pod, item.fieldRef.fieldPath, node);
  const reference = item.resourceFieldRef;
  if (reference === undefined) return '';
  return resourceFieldValue(pod, reference, undefined, node.allocatable);
}
