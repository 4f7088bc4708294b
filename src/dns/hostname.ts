/** Host names of pods (kubelet pkg/kubelet/kubelet_pods.go GeneratePodHostNameAndDomain, pkg/kubelet/util GetNodenameForKernel). */
import type { Pod } from '../api/types.ts';
import { InvalidInputError } from '../lib/errors.ts';

/** A DNS label; also what fits the kernel's field of 64 bytes with its terminator. */
const MAX_HOSTNAME = 63;
/** The kernel's field without the terminator. */
const MAX_FQDN = 64;
const MAX_SUBDOMAIN = 253;

export interface PodHostname {
  readonly hostname: string;
  /** Empty: none. */
  readonly domain: string;
}

/** @throws InvalidInputError when a name of the spec is no DNS name */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname {
  const { hostname, subdomain, hostnameOverride } = pod.spec;
  if (hostnameOverride !== undefined) {
    if (!isDnsSubdomain(hostnameOverride)) throw invalid('HostnameOverride', hostnameOverride, 'subdomain');
    return { hostname: truncated(hostnameOverride), domain: '' };
  }
  if (isSet(hostname) && !isDnsLabel(hostname)) throw invalid('Hostname', hostname, 'label');
  if (isSet(subdomain) && !isDnsLabel(subdomain)) throw invalid('Subdomain', subdomain, 'label');
  return {
    hostname: truncated(isSet(hostname) ? hostname : pod.metadata.name),
    domain: isSet(subdomain) ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '',
  };
}

/** What uname answers inside the sandbox. @throws InvalidInputError when the FQDN that the pod asks for does not fit the kernel */
export function kernelHostname(pod: Pod, { hostname, domain }: PodHostname): string {
  if (domain === '' || pod.spec.setHostnameAsFQDN !== true) return hostname;
  const fqdn = `${hostname}.${domain}`;
  if (fqdn.length > MAX_FQDN) {
    throw new InvalidInputError(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${MAX_FQDN} characters is the max, ${fqdn.length} characters requested)`,
    );
  }
  return fqdn;
}

function truncated(hostname: string): string {
  return hostname.length <= MAX_HOSTNAME ? hostname : hostname.slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
}

function isSet(name: string | undefined): name is string {
  return name !== undefined && name !== '';
}

function isDnsLabel(name: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name);
}

function isDnsSubdomain(name: string): boolean {
  return name.length <= MAX_SUBDOMAIN && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
}

function invalid(field: string, value: string, kind: 'label' | 'subdomain'): InvalidInputError {
  return new InvalidInputError(`pod ${field} ${JSON.stringify(value)} is not a valid DNS ${kind}`);
}
