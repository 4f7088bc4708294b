/** Certificate signing requests: create one and wait for its certificate (client-go util/certificate/csr/csr.go). */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { fieldSelector } from '../api/selectors.ts';
import { withDeadline } from '../lib/abort.ts';
import { FailedPreconditionError, isAlreadyExists } from '../lib/errors.ts';
import { Reflector, type ReflectorContext } from './reflector.ts';
import { CERTIFICATE_SIGNING_REQUESTS, type CertificateSigningRequest } from './resources.ts';
import type { ApiClient } from './types.ts';
import { certificateRequest, type CertificateSubject, type SubjectAltNames } from './x509.ts';

export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
export const SERVING_SIGNER = 'kubernetes.io/kubelet-serving';

export interface CertificateWish {
  readonly key: KeyObject;
  readonly subject: CertificateSubject;
  readonly altNames: SubjectAltNames;
  readonly signer: typeof CLIENT_SIGNER | typeof SERVING_SIGNER;
  /** Absent: the server makes one. With a name, a request that is there already under it is taken up again. */
  readonly name?: string;
  /** How long an approval may take, ms. */
  readonly waitMs: number;
}

export type CsrContext = ReflectorContext & { readonly client: Pick<ApiClient, 'create' | 'get' | 'list' | 'watch'> };

/** Usages of ECDSA keys. */
const USAGES: Readonly<Record<CertificateWish['signer'], readonly string[]>> = {
  [CLIENT_SIGNER]: ['digital signature', 'client auth'],
  [SERVING_SIGNER]: ['digital signature', 'server auth'],
};

/** Asks for the certificate and waits until it is issued; PEM. @throws FailedPreconditionError when it is denied, fails or is deleted; DeadlineExceededError */
export async function requestCertificate(context: CsrContext, wish: CertificateWish, signal: AbortSignal): Promise<string> {
  const request = await createRequest(context, wish, signal);
  const stage = `waiting for certificate signing request "${request.metadata.name}" to be approved and issued`;
  return withDeadline(context.clock, stage, wish.waitMs, signal, (inner) => waitForCertificate(context, request, inner));
}

/** The same for the same key and subject, so that a restart in the middle takes its own request up again (kubelet bootstrap.go digestedName). */
export function requestName(key: KeyObject, subject: CertificateSubject): string {
  const hash = createHash('sha512-256');
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  for (const part of [publicKey, subject.commonName, ...subject.organizations, ...USAGES[CLIENT_SIGNER]]) {
    hash.update(`${Buffer.from(part).toString('base64url')}|`);
  }
  return `node-csr-${hash.digest('base64url')}`;
}

async function createRequest({ client }: CsrContext, wish: CertificateWish, signal: AbortSignal): Promise<CertificateSigningRequest> {
  const { key, subject, altNames, signer, name } = wish;
  const body = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: name === undefined ? { generateName: 'csr-' } : { name },
    spec: {
      request: Buffer.from(certificateRequest(key, subject, altNames)).toString('base64'),
      signerName: signer,
      usages: USAGES[signer],
    },
  };
  try {
    return await client.create(CERTIFICATE_SIGNING_REQUESTS, {}, body, signal);
  } catch (error) {
    if (name === undefined || !isAlreadyExists(error)) throw error;
    return client.get(CERTIFICATE_SIGNING_REQUESTS, { name }, signal);
  }
}

async function waitForCertificate(context: CsrContext, request: CertificateSigningRequest, signal: AbortSignal): Promise<string> {
  const { name, uid } = request.metadata;
  const reflector = new Reflector(context, {
    resource: CERTIFICATE_SIGNING_REQUESTS,
    fieldSelector: fieldSelector({ 'metadata.name': name }),
  });
  const outcome = Promise.withResolvers<string>();
  reflector.onChange(({ type, object }) => {
    const replaced = object.metadata.uid !== uid;
    const refusal = type === 'deleted' || replaced ? `certificate signing request "${name}" was deleted` : refusalOf(object);
    if (refusal !== undefined) outcome.reject(new FailedPreconditionError(refusal));
    const certificate = object.status?.certificate ?? '';
    if (isApproved(object) && certificate !== '') outcome.resolve(Buffer.from(certificate, 'base64').toString());
  });
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const running = reflector.run(stop.signal);
  try {
    return await outcome.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort(new FailedPreconditionError('the wait is over'));
    await running;
  }
}

function isApproved({ status }: CertificateSigningRequest): boolean {
  return status?.conditions?.some(({ type }) => type === 'Approved') ?? false;
}

function refusalOf({ metadata, status }: CertificateSigningRequest): string | undefined {
  const refusal = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
  if (refusal === undefined) return undefined;
  const verb = refusal.type === 'Denied' ? 'was denied' : 'failed';
  return `certificate signing request "${metadata.name}" ${verb}: ${refusal.reason ?? 'no reason'}: ${refusal.message ?? 'no message'}`;
}
