/** Kubernetes' rules for label and taint keys and values (apimachinery pkg/util/validation, kubelet pkg/apis/well_known_labels.go). */

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const DNS_LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const DNS_SUBDOMAIN = new RegExp(`^${DNS_LABEL}(?:\\.${DNS_LABEL})*$`);
const MAX_SUBDOMAIN = 253;

/** A lower-case DNS name: what a node may be called. */
export function isDnsSubdomain(value: string): boolean {
  return value.length <= MAX_SUBDOMAIN && DNS_SUBDOMAIN.test(value);
}

/** `name` or `prefix/name`. */
export function isQualifiedName(key: string): boolean {
  const parts = key.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) return false;
  return second === undefined ? NAME.test(first) : isDnsSubdomain(first) && NAME.test(second);
}

export function isLabelValue(value: string): boolean {
  return value === '' || NAME.test(value);
}

/** Labels below kubernetes.io and k8s.io that a node may set on itself; the node restriction admission allows no others. */
const OWN_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const OWN_NAMESPACES = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const KUBERNETES_DOMAINS = ['kubernetes.io', 'k8s.io'];

/** False for a label of Kubernetes' own domains that a node may not give itself. */
export function isAllowedNodeLabel(key: string): boolean {
  const [namespace = '', name] = key.split('/');
  if (name === undefined || !KUBERNETES_DOMAINS.some((domain) => isWithin(namespace, domain))) return true;
  return OWN_LABELS.has(key) || OWN_NAMESPACES.some((allowed) => isWithin(namespace, allowed));
}

function isWithin(namespace: string, domain: string): boolean {
  return namespace === domain || namespace.endsWith(`.${domain}`);
}
