/** TLS bootstrap: from a token that many nodes share to a client certificate of this node's own (kubelet pkg/kubelet/certificate/bootstrap). */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { nodeSubject } from './certificate-manager.ts';
import { CertificateStore, writeDurably } from './certificate-store.ts';
import { CLIENT_SIGNER, requestCertificate, requestName, type CsrContext } from './csr.ts';
import { clientCertificateKubeconfig, readKubeconfig, type KubeconfigContext } from './kubeconfig.ts';
import { generatePrivateKey, privateKeyPem } from './x509.ts';

export interface BootstrapOptions {
  /** Where the node's own kubeconfig is, or will be. */
  readonly kubeconfig: string;
  readonly bootstrapKubeconfig: string;
  readonly certDirectory: string;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** A connection with the credentials of the bootstrap kubeconfig; closed when the bootstrap is over. */
  readonly connect: (context: KubeconfigContext) => { readonly csr: CsrContext; close(): void };
}

/** The prefix of the client certificate's files. */
export const CLIENT_PREFIX = 'kubelet-client';

/** Holds the key until its certificate is issued, so that a restart goes on with the same request. */
const PENDING_KEY_FILE = 'kubelet-client.key.tmp';
/** An approval may be a person's, upstream waits as long. */
const APPROVAL_WAIT_MS = 3_600_000;

/**
 * Makes sure that the kubeconfig holds credentials that are valid, by asking for a client certificate if need be. Answers whether it did.
 * @throws FailedPreconditionError when the request is denied, InvalidInputError for a bootstrap kubeconfig that cannot be used, and what the client throws
 */
export async function bootstrapClientCertificate(options: BootstrapOptions, signal: AbortSignal): Promise<boolean> {
  const { kubeconfig, bootstrapKubeconfig, certDirectory, nodeName, clock, log } = options;
  if (await isStillValid(kubeconfig, clock.now())) return false;
  const context = await readKubeconfig(bootstrapKubeconfig);
  log.info('Asking for a client certificate with the bootstrap credentials', { bootstrapKubeconfig, certDirectory });
  await mkdir(certDirectory, { recursive: true });
  const pendingKey = path.join(certDirectory, PENDING_KEY_FILE);
  const key = await loadOrCreateKey(pendingKey);
  const subject = nodeSubject(nodeName);
  const connection = options.connect(context);
  try {
    const cert = await requestCertificate(
      connection.csr,
      {
        key,
        subject,
        altNames: { dnsNames: [], ipAddresses: [] },
        signer: CLIENT_SIGNER,
        name: requestName(key, subject),
        waitMs: APPROVAL_WAIT_MS,
      },
      signal,
    );
    const store = new CertificateStore(certDirectory, CLIENT_PREFIX);
    await store.update({ cert, key: privateKeyPem(key) }, clock.now());
    await mkdir(path.dirname(kubeconfig), { recursive: true });
    await writeDurably(kubeconfig, clientCertificateKubeconfig(context.cluster, store.currentPath));
  } finally {
    connection.close();
  }
  await rm(pendingKey, { force: true });
  return true;
}

/** Whether the kubeconfig is there and every client certificate in it is still valid. */
async function isStillValid(kubeconfig: string, nowMs: number): Promise<boolean> {
  let pem: string;
  try {
    const { user } = await readKubeconfig(kubeconfig);
    pem = user.certFile === undefined ? Buffer.from(user.certData ?? '', 'base64').toString() : await readFile(user.certFile, 'utf8');
  } catch {
    return false; // absent or damaged: the bootstrap makes it anew
  }
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return certificates.length > 0 && certificates.every((text) => isValidAt(text, nowMs));
}

function isValidAt(pem: string, nowMs: number): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() > nowMs;
  } catch {
    return false; // no certificate at all
  }
}

async function loadOrCreateKey(file: string): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(file, 'utf8'));
  } catch {
    const key = generatePrivateKey(); // absent or damaged
    await writeDurably(file, privateKeyPem(key));
    return key;
  }
}
