/** From the text of a manifest to static pods (kubelet pkg/kubelet/config/common.go). */
import { createHash } from 'node:crypto';
import { parse } from 'yaml';
import type { Pod, PodSpec } from '../../api/types.ts';
import { InvalidInputError } from '../../lib/errors.ts';
import { CONFIG_HASH_ANNOTATION, CONFIG_SEEN_ANNOTATION, CONFIG_SOURCE_ANNOTATION } from '../pod-kinds.ts';
import { describeMalformedPod, isPod } from './pod-shape.ts';
import { withDefaults } from './static-defaults.ts';

/** Longest manifest that is read, bytes (kubelet: maxConfigLength). */
export const MAX_MANIFEST_BYTES = 10 * 1024 * 1024;

export interface ManifestOrigin {
  readonly kind: 'file' | 'http';
  /** Path or URL: part of the UID. */
  readonly location: string;
  readonly nodeName: string;
  /** When it was read, ms since the epoch. */
  readonly seenAt: number;
}

/** The pods of a manifest in YAML or JSON, a Pod or a list of them. @throws InvalidInputError naming the field and what is wrong */
export function parseManifest(text: string, origin: ManifestOrigin): Pod[] {
  const document = withoutNulls(parseText(text));
  const kind = isRecord(document) ? document['kind'] : undefined;
  if (isRecord(document) && (kind === 'PodList' || kind === 'List') && Array.isArray(document['items'])) {
    return document['items'].map((item: unknown) => toStaticPod(item, origin));
  }
  if (kind !== 'Pod') throw new InvalidInputError(`kind: expected Pod, found ${JSON.stringify(kind)}`);
  return [toStaticPod(document, origin)];
}

function parseText(text: string): unknown {
  try {
    // Kubernetes' parser reads YAML 1.1: `yes` is a boolean there.
    return parse(text, { version: '1.1' });
  } catch (error) {
    throw new InvalidInputError('the manifest is neither YAML nor JSON', { cause: error });
  }
}

function toStaticPod(value: unknown, origin: ManifestOrigin): Pod {
  const metadata = isRecord(value) && isRecord(value['metadata']) ? value['metadata'] : {};
  const { name, namespace = 'default', annotations = {} } = metadata;
  if (!isDnsName(name)) throw new InvalidInputError(`metadata.name: expected a DNS-1123 name, found ${JSON.stringify(name)}`);
  const uid = metadata['uid'] ?? hashOf(value, origin);
  const candidate = {
    ...(isRecord(value) ? value : {}),
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `${name}-${origin.nodeName.toLowerCase()}`,
      namespace,
      uid,
      annotations: {
        ...(isRecord(annotations) ? annotations : {}),
        [CONFIG_HASH_ANNOTATION]: uid,
        [CONFIG_SOURCE_ANNOTATION]: origin.kind,
        [CONFIG_SEEN_ANNOTATION]: new Date(origin.seenAt).toISOString(),
      },
    },
    status: { phase: 'Pending' },
  };
  if (!isPod(candidate)) throw new InvalidInputError(describeMalformedPod(candidate) ?? 'it is no pod');
  refuseWhatNeedsTheApi(candidate.spec);
  refuseBadNames(candidate.spec);
  return { ...candidate, spec: placed(withDefaults(candidate.spec), origin) };
}

/** It is where it is: node problems do not evict it. */
function placed(spec: PodSpec, { kind, nodeName }: ManifestOrigin): PodSpec {
  const everything = { operator: 'Exists', effect: 'NoExecute' };
  return { ...spec, nodeName, ...(kind === 'file' ? { tolerations: [...(spec.tolerations ?? []), everything] } : {}) };
}

/** A pod that runs without an API server cannot use what is only there (kubernetes pkg/api/pod HasAPIObjectReference). */
function refuseWhatNeedsTheApi(spec: PodSpec): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const env = containers.flatMap((container) => container.env ?? []).map(({ valueFrom }) => valueFrom);
  const envFrom = containers.flatMap((container) => container.envFrom ?? []);
  const volumes = spec.volumes ?? [];
  const projections = volumes.flatMap(({ projected }) => projected?.sources ?? []);
  const uses: Readonly<Record<string, boolean>> = {
    serviceaccounts: (spec.serviceAccountName ?? '') !== '',
    secrets:
      (spec.imagePullSecrets ?? []).length > 0 ||
      [...env.map((from) => from?.secretKeyRef), ...envFrom.map((from) => from.secretRef)].some(isDefined) ||
      [...volumes, ...projections].some(({ secret }) => secret !== undefined),
    configmaps:
      [...env.map((from) => from?.configMapKeyRef), ...envFrom.map((from) => from.configMapRef)].some(isDefined) ||
      [...volumes, ...projections].some(({ configMap }) => configMap !== undefined),
    serviceaccounttokens: projections.some(({ serviceAccountToken }) => serviceAccountToken !== undefined),
    clustertrustbundles: projections.some(({ clusterTrustBundle }) => clusterTrustBundle !== undefined),
    persistentvolumeclaims: volumes.some(
      ({ persistentVolumeClaim, ephemeral }) => isDefined(persistentVolumeClaim) || isDefined(ephemeral),
    ),
    resourceclaims: (spec.resourceClaims ?? []).length > 0,
  };
  const used = Object.entries(uses).find(([, is]) => is)?.[0];
  if (used !== undefined) throw new InvalidInputError(`static pods may not reference ${used}`);
  if ((spec.ephemeralContainers ?? []).length > 0) throw new InvalidInputError('spec.ephemeralContainers: cannot be set on creation');
}

function refuseBadNames(spec: PodSpec): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const names = new Set<string>();
  for (const { name, image } of containers) {
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > 63) {
      throw new InvalidInputError(`spec.containers: ${JSON.stringify(name)} is not a DNS-1123 label`);
    }
    if (names.has(name)) throw new InvalidInputError(`spec.containers: the name ${JSON.stringify(name)} is used twice`);
    if (image === undefined || image === '') throw new InvalidInputError(`spec.containers: ${name} has no image`);
    names.add(name);
  }
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const lost = containers.flatMap(({ volumeMounts }) => volumeMounts ?? []).find(({ name }) => !volumes.has(name));
  if (lost !== undefined) throw new InvalidInputError(`spec.containers.volumeMounts: there is no volume ${JSON.stringify(lost.name)}`);
}

/** Another text, file or node is another pod. */
function hashOf(value: unknown, { kind, location, nodeName }: ManifestOrigin): string {
  const place = kind === 'file' ? `host:${nodeName}file:${location}` : `url:${location}`;
  return createHash('sha256').update(JSON.stringify(value)).update(place).digest('hex').slice(0, 32);
}

function isDnsName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDefined(value: unknown): boolean {
  return value !== undefined;
}

/** `key:` without a value means that the key is not there. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, entry]) => (entry === null ? [] : [[key, withoutNulls(entry)]])));
}
