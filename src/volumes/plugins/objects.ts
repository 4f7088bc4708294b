/** Config maps and secrets for volumes, with the kubelet's words for what is missing. */
import type { ConfigMap, Pod, Secret } from '../../api/types.ts';
import { NotFoundError } from '../../lib/errors.ts';
import type { ObjectKey, PluginContext } from './plugin.ts';

export interface ObjectReference {
  readonly name: string;
  readonly optional: boolean;
}

/** `undefined` only for an optional reference. @throws NotFoundError */
export async function readConfigMap(
  { objects }: PluginContext,
  pod: Pod,
  { name, optional }: ObjectReference,
  signal: AbortSignal,
): Promise<ConfigMap | undefined> {
  const found = await objects.configMaps.get(pod.metadata.namespace, name, signal);
  if (found === undefined && !optional) throw new NotFoundError(`configmap "${name}" not found`);
  return found;
}

/** `undefined` only for an optional reference. @throws NotFoundError */
export async function readSecret(
  { objects }: PluginContext,
  pod: Pod,
  { name, optional }: ObjectReference,
  signal: AbortSignal,
): Promise<Secret | undefined> {
  const found = await objects.secrets.get(pod.metadata.namespace, name, signal);
  if (found === undefined && !optional) throw new NotFoundError(`secret "${name}" not found`);
  return found;
}

export function objectKey(kind: ObjectKey['kind'], pod: Pod, name: string): ObjectKey {
  return { kind, namespace: pod.metadata.namespace, name };
}
