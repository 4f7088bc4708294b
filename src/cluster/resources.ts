/** The kinds of objects that the agent reads or writes, and the guards that what comes in must pass. */
import type { V1CertificateSigningRequest, V1CSIDriver, V1SubjectAccessReview, V1TokenReview } from '@kubernetes/client-node';
import type {
  ConfigMap,
  EventObject,
  KubeObject,
  Lease,
  NodeObject,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  Wire,
} from '../api/types.ts';
import type { Resource } from './types.ts';

/** A token request as the server answers it. */
export interface TokenRequest {
  readonly spec?: { readonly expirationSeconds?: number };
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}
export type TokenReview = Wire<V1TokenReview>;
export type SubjectAccessReview = Wire<V1SubjectAccessReview>;
export type CertificateSigningRequest = Wire<V1CertificateSigningRequest> & KubeObject;
export type CSIDriver = Wire<V1CSIDriver> & KubeObject;

export const PODS: Resource<Pod> = { ...core('pods', 'Pod', true), is: isPod };
export const NODES: Resource<NodeObject> = { ...core('nodes', 'Node', false), is: hasName<NodeObject> };
export const SERVICES: Resource<Service & KubeObject> = { ...core('services', 'Service', true), is: hasName<Service & KubeObject> };
export const SECRETS: Resource<Secret & KubeObject> = { ...core('secrets', 'Secret', true), is: hasName<Secret & KubeObject> };
export const CONFIG_MAPS: Resource<ConfigMap & KubeObject> = {
  ...core('configmaps', 'ConfigMap', true),
  is: hasName<ConfigMap & KubeObject>,
};
export const EVENTS: Resource<EventObject & KubeObject> = { ...core('events', 'Event', true), is: hasName<EventObject & KubeObject> };
export const SERVICE_ACCOUNTS: Resource<ServiceAccount & KubeObject> = {
  ...core('serviceaccounts', 'ServiceAccount', true),
  is: hasName<ServiceAccount & KubeObject>,
};
export const PERSISTENT_VOLUMES: Resource<PersistentVolume & KubeObject> = {
  ...core('persistentvolumes', 'PersistentVolume', false),
  is: hasName<PersistentVolume & KubeObject>,
};
export const PERSISTENT_VOLUME_CLAIMS: Resource<PersistentVolumeClaim & KubeObject> = {
  ...core('persistentvolumeclaims', 'PersistentVolumeClaim', true),
  is: hasName<PersistentVolumeClaim & KubeObject>,
};
export const LEASES: Resource<Lease & KubeObject> = {
  ...grouped('coordination.k8s.io', 'leases', 'Lease', true),
  is: hasName<Lease & KubeObject>,
};
export const RUNTIME_CLASSES: Resource<RuntimeClass & KubeObject> = {
  ...grouped('node.k8s.io', 'runtimeclasses', 'RuntimeClass', false),
  is: hasName<RuntimeClass & KubeObject>,
};
export const CSI_DRIVERS: Resource<CSIDriver> = { ...grouped('storage.k8s.io', 'csidrivers', 'CSIDriver', false), is: hasName<CSIDriver> };
export const CERTIFICATE_SIGNING_REQUESTS: Resource<CertificateSigningRequest> = {
  ...grouped('certificates.k8s.io', 'certificatesigningrequests', 'CertificateSigningRequest', false),
  is: isCertificateSigningRequest,
};
/** The `token` subresource of a service account. */
export const TOKEN_REQUESTS: Resource<TokenRequest> = { ...core('serviceaccounts', 'TokenRequest', true), is: isTokenRequest };
export const TOKEN_REVIEWS: Resource<TokenReview> = {
  ...grouped('authentication.k8s.io', 'tokenreviews', 'TokenReview', false),
  is: isRecord<TokenReview>,
};
export const SUBJECT_ACCESS_REVIEWS: Resource<SubjectAccessReview> = {
  ...grouped('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview', false),
  is: isRecord<SubjectAccessReview>,
};

/** `core/v1` kinds have no group in their `apiVersion`. */
export function apiVersionOf(resource: Resource<unknown>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

type Kind = Omit<Resource<never>, 'is'>;

function core(resource: string, kind: string, namespaced: boolean): Kind {
  return { group: '', version: 'v1', resource, kind, namespaced };
}

function grouped(group: string, resource: string, kind: string, namespaced: boolean): Kind {
  return { group, version: 'v1', resource, kind, namespaced };
}

/** A JSON object. */
export function isRecord<T = Record<string, unknown>>(value: unknown): value is T & Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasName<T extends KubeObject>(value: unknown): value is T {
  return isRecord(value) && isRecord(value['metadata']) && typeof value['metadata']['name'] === 'string';
}

function isPod(value: unknown): value is Pod {
  if (!isRecord(value) || !isRecord(value['metadata']) || !isRecord(value['spec'])) return false;
  const { name, namespace, uid } = value['metadata'];
  return [name, namespace, uid].every((text) => typeof text === 'string' && text !== '') && Array.isArray(value['spec']['containers']);
}

function isTokenRequest(value: unknown): value is TokenRequest {
  if (!isRecord(value) || !isRecord(value['status'])) return false;
  const { token, expirationTimestamp } = value['status'];
  return typeof token === 'string' && typeof expirationTimestamp === 'string';
}

function isCertificateSigningRequest(value: unknown): value is CertificateSigningRequest {
  return hasName(value) && isRecord(value) && isRecord(value['spec']);
}
