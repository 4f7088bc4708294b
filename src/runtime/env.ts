/**
 * A container's environment (kubelet pkg/kubelet/kubelet_pods.go makeEnvironmentVariables): envFrom, then env on top of it, then
 * the services' variables that neither of them sets.
 */
import { fieldValue, needsPodIPs, resourceFieldValue } from '../api/downward.ts';
import { objectKey } from '../api/meta.ts';
import type { AnyContainerSpec, Pod } from '../api/types.ts';
import { NotFoundError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { parseEnvFile } from './env-file.ts';
import { expand, lookupIn } from './expansion.ts';
import type { ObjectPort } from './ports.ts';
import { serviceEnvironment } from './service-env.ts';

type EnvVar = NonNullable<AnyContainerSpec['env']>[number];
type EnvVarSource = NonNullable<EnvVar['valueFrom']>;

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: AnyContainerSpec;
  readonly objects: ObjectPort;
  readonly hostIPs: readonly string[];
  /** The primary first; see {@link environmentNeedsPodIPs}. */
  readonly podIPs: readonly string[];
  readonly allocatable: Readonly<Record<string, string>>;
  /** Content of a file in one of the pod's volumes, for `fileKeyRef`. */
  readonly readVolumeFile: (volume: string, path: string, signal: AbortSignal) => Promise<string>;
}

/** Whether the environment can only be built once the sandbox has its addresses. */
export function environmentNeedsPodIPs(container: AnyContainerSpec): boolean {
  return (container.env ?? []).some(
    ({ value, valueFrom }) => isUnset(value) && valueFrom?.fieldRef !== undefined && needsPodIPs(valueFrom.fieldRef.fieldPath),
  );
}

/**
 * Variables by name, in the order in which they were declared. Their values are final: commands, arguments and sub-paths are
 * expanded with them.
 * @throws NotFoundError for a config map, secret, key or volume that is neither there nor optional
 */
export async function makeEnvironment(input: EnvironmentInput, signal: AbortSignal): Promise<Map<string, string>> {
  const { pod, container, objects } = input;
  const isStatic = (pod.metadata.annotations?.['kubernetes.io/config.source'] ?? 'api') !== 'api';
  const services = await objects.services(pod.metadata.namespace, signal, !isStatic);
  const fromServices = serviceEnvironment(services, pod.metadata.namespace, pod.spec.enableServiceLinks ?? true);
  const environment = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of await envFromEntries(source, input, signal)) environment.set(`${source.prefix ?? ''}${key}`, value);
  }
  const lookup = lookupIn(environment, fromServices);
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, lookup, input, signal);
    if (value !== undefined) environment.set(variable.name, value);
  }
  for (const [name, value] of fromServices) if (!environment.has(name)) environment.set(name, value);
  return environment;
}

async function envFromEntries(
  source: NonNullable<AnyContainerSpec['envFrom']>[number],
  { pod, objects }: EnvironmentInput,
  signal: AbortSignal,
): Promise<[string, string][]> {
  const { namespace } = pod.metadata;
  if (source.configMapRef) {
    const { name = '', optional } = source.configMapRef;
    const configMap = await objects.configMap(namespace, name, signal);
    if (configMap === undefined && optional !== true) throw absent('configmap', name);
    return sorted(Object.entries(configMap?.data ?? {}));
  }
  if (source.secretRef) {
    const { name = '', optional } = source.secretRef;
    const secret = await objects.secret(namespace, name, signal);
    if (secret === undefined && optional !== true) throw absent('secret', name);
    return sorted(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, decode(value)]));
  }
  return [];
}

/** `undefined`: an optional reference to what is not there; the variable is left out. */
async function valueOf(
  { value, valueFrom }: EnvVar,
  lookup: (name: string) => string | undefined,
  input: EnvironmentInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (value !== undefined && value !== '') return expand(value, lookup);
  if (valueFrom === undefined) return '';
  const { pod, container } = input;
  if (valueFrom.fieldRef) return fieldValue(pod, valueFrom.fieldRef.fieldPath, input);
  if (valueFrom.resourceFieldRef) return resourceFieldValue(pod, valueFrom.resourceFieldRef, container, input.allocatable);
  if (valueFrom.configMapKeyRef) return configMapValue(valueFrom.configMapKeyRef, input, signal);
  if (valueFrom.secretKeyRef) return secretValue(valueFrom.secretKeyRef, input, signal);
  if (valueFrom.fileKeyRef) return fileValue(valueFrom.fileKeyRef, input, signal);
  return '';
}

async function configMapValue(
  { name = '', key, optional }: NonNullable<EnvVarSource['configMapKeyRef']>,
  { pod, objects }: EnvironmentInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace } = pod.metadata;
  const configMap = await objects.configMap(namespace, name, signal);
  const value = configMap?.data?.[key];
  if (value !== undefined || optional === true) return value;
  if (configMap === undefined) throw absent('configmap', name);
  throw new NotFoundError(`couldn't find key ${key} in ConfigMap ${objectKey(namespace, name)}`);
}

async function secretValue(
  { name = '', key, optional }: NonNullable<EnvVarSource['secretKeyRef']>,
  { pod, objects }: EnvironmentInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace } = pod.metadata;
  const secret = await objects.secret(namespace, name, signal);
  const value = secret?.data?.[key];
  if (value !== undefined) return decode(value);
  if (optional === true) return undefined;
  if (secret === undefined) throw absent('secret', name);
  throw new NotFoundError(`couldn't find key ${key} in Secret ${objectKey(namespace, name)}`);
}

async function fileValue(
  { volumeName, path, key, optional }: NonNullable<EnvVarSource['fileKeyRef']>,
  { readVolumeFile }: EnvironmentInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const value = parseEnvFile(await readVolumeFile(volumeName, path, signal), key);
  if (value !== '') return value;
  if (optional === true) return undefined;
  throw new NotFoundError(`environment variable key ${quote(key)} not found in file ${quote(path)}`);
}

function isUnset(value: string | undefined): boolean {
  return value === undefined || value === '';
}

function sorted(entries: [string, string][]): [string, string][] {
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** The API server's words for an object that does not exist. */
function absent(resource: string, name: string): NotFoundError {
  return new NotFoundError(`${resource} ${quote(name)} not found`);
}
