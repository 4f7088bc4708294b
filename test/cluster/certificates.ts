import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';

/** A certificate to make; see `go/kubernetes/certs.go`. */
export interface CertificateRequest {
  readonly name: string;
  /** Another certificate's name, in the same folder; without one it is an authority that signs itself. */
  readonly issuer?: string;
  readonly commonName: string;
  readonly organization?: readonly string[];
  /** DNS names and IP addresses. */
  readonly hosts?: readonly string[];
  readonly server?: boolean;
  readonly client?: boolean;
  /** Validity; a year unless told. */
  readonly seconds?: number;
}

/** Makes certificates, each as `<dir>/<name>.crt` and `.key`, and bare key pairs (`.key`, `.pub`). */
export async function makeCertificates(
  binary: string,
  dir: string,
  certificates: readonly CertificateRequest[],
  keys: readonly string[] = [],
  signal?: AbortSignal,
): Promise<void> {
  await run([binary, 'certs'], { input: JSON.stringify({ dir, certificates, keys }), signal });
}

/** Everything a control plane at `address` presents, and the client certificates of its parts. */
export function controlPlaneCertificates(address: string, serviceAddress: string): readonly CertificateRequest[] {
  const component = (name: string, commonName: string, ...organization: string[]): CertificateRequest => ({
    name,
    issuer: 'ca',
    commonName,
    organization,
    client: true,
  });
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  return [
    { name: 'ca', commonName: 'shorelet-test-ca' },
    { name: 'front-proxy-ca', commonName: 'shorelet-test-front-proxy-ca' },
    {
      name: 'apiserver',
      issuer: 'ca',
      commonName: 'kube-apiserver',
      hosts: [address, serviceAddress, '127.0.0.1', 'localhost', ...names],
      server: true,
    },
    component('kubelet-client', apiServerKubeletUser),
    component('admin', 'shorelet-test-admin', 'system:masters'),
    component('controller-manager', 'system:kube-controller-manager'),
    component('scheduler', 'system:kube-scheduler'),
    { name: 'front-proxy', issuer: 'front-proxy-ca', commonName: 'front-proxy-client', client: true },
    // The extensions' servers are found at 127.0.0.1 or the machine's address.
    { name: 'component', issuer: 'ca', commonName: 'component', hosts: [address, '127.0.0.1'], server: true },
  ];
}

/** Who the API server is when it calls a node's HTTPS server. */
export const apiServerKubeletUser = 'kube-apiserver-kubelet-client';

/** How a kubeconfig's user proves who it is. */
export type Credential =
  { readonly certificate: string; readonly key: string } | { readonly token: string } | { readonly tokenFile: string };

/** The text of a kubeconfig (JSON, which is YAML) with one cluster, user and context. Certificates are paths. */
export function kubeconfig(server: string, caFile: string, credential: Credential, namespace?: string): string {
  const user = 'certificate' in credential ? { 'client-certificate': credential.certificate, 'client-key': credential.key } : credential;
  const name = 'shorelet-test';
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority': caFile } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) } }],
    'current-context': name,
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** A kubeconfig's text with the authority's certificate inside, for use in a pod. */
export async function inlineAuthority(server: string, caFile: string, tokenFile: string): Promise<string> {
  const data = (await readFile(caFile)).toString('base64');
  const text = kubeconfig(server, caFile, { tokenFile });
  const document = JSON.parse(text) as { clusters: [{ cluster: Record<string, string> }] };
  document.clusters[0].cluster = { server, 'certificate-authority-data': data };
  return JSON.stringify(document);
}

/** The paths of a certificate that {@link makeCertificates} made. */
export function certificateFiles(dir: string, name: string): { readonly certificate: string; readonly key: string } {
  return { certificate: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
}
