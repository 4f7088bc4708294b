/** Keeps a certificate valid: asks for the next one in time, and at once when its names no longer fit (client-go util/certificate/certificate_manager.go). */
import { X509Certificate } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import { errorMessage } from '../lib/errors.ts';
import type { CertificateStore } from './certificate-store.ts';
import { requestCertificate, type CertificateWish, type CsrContext } from './csr.ts';
import type { CertificateSource, KeyPair } from './types.ts';
import { generatePrivateKey, privateKeyPem, type CertificateSubject, type SubjectAltNames } from './x509.ts';

export interface CertificateTemplate {
  readonly subject: CertificateSubject;
  readonly altNames: SubjectAltNames;
}

export interface CertificateManagerOptions {
  readonly context: CsrContext;
  readonly store: CertificateStore;
  readonly signer: CertificateWish['signer'];
  /** What the certificate must hold; `undefined` while it is not known (no addresses yet). */
  readonly template: () => CertificateTemplate | undefined;
}

/** The subject of a node's certificates. */
export function nodeSubject(nodeName: string): CertificateSubject {
  return { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
}

/** An approval may be a person's; then a new request is made. */
const APPROVAL_WAIT_MS = 15 * 60_000;
const BACKOFF: BackoffPolicy = { initialMs: 2000, maxMs: 120_000, factor: 2, jitter: 0.1 };
/** Rotation lies at 70 to 90 % of the lifetime, at random, so that nodes made together do not ask together. */
const ROTATION_MIN_SHARE = 0.7;
const ROTATION_SPREAD = 0.2;

interface Loaded {
  readonly pair: KeyPair;
  readonly certificate: X509Certificate;
  readonly rotateAt: number;
}

/**
 * INVARIANTS
 * - An expired certificate is never answered.
 * - A new one is answered only after it is on disk.
 * - One request at a time; a failed one is followed by another after a pause, until the signal.
 */
export class CertificateManager implements CertificateSource {
  readonly #options: CertificateManagerOptions;
  readonly #listeners = new Set<() => void>();
  #loaded: Loaded | undefined;
  #wake: () => void = () => undefined;

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
  }

  /** Takes up the certificate on disk. To be called before `run`. */
  async load(): Promise<void> {
    const pair = await this.#options.store.current();
    if (pair !== undefined) this.#take(pair);
  }

  current(): KeyPair | undefined {
    if (this.#loaded === undefined || this.#options.context.clock.now() >= validTo(this.#loaded.certificate)) return undefined;
    return this.#loaded.pair;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The template may have changed: looks again whether the certificate fits. */
  recheck(): void {
    this.#wake();
  }

  /** Rotates until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options.context;
    let failures = 0;
    while (!signal.aborted) {
      const template = this.#options.template();
      const delay = template === undefined ? undefined : this.#rotationDelay(template);
      if (template === undefined || (delay !== undefined && delay > 0)) {
        await this.#pause(delay, signal);
        continue;
      }
      try {
        await this.#rotate(template, signal);
        if (failures > 0) log.info('A certificate was issued at last', { signer: this.#options.signer });
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (failures === 1)
          log.warn('A certificate could not be had; retrying', { signer: this.#options.signer, error: errorMessage(error) });
        await clock.sleep(backoffDelay(BACKOFF, failures, random), signal).catch(() => undefined); // only the signal ends a sleep
      }
    }
  }

  /** Ms until the certificate is to be replaced; 0 when it is to be now. */
  #rotationDelay(template: CertificateTemplate): number {
    const loaded = this.#loaded;
    if (loaded === undefined || !satisfies(loaded.certificate, template)) return 0;
    return Math.max(0, loaded.rotateAt - this.#options.context.clock.now());
  }

  async #rotate({ subject, altNames }: CertificateTemplate, signal: AbortSignal): Promise<void> {
    const { context, store, signer } = this.#options;
    const key = generatePrivateKey();
    const cert = await requestCertificate(context, { key, subject, altNames, signer, waitMs: APPROVAL_WAIT_MS }, signal);
    const pair = { cert, key: privateKeyPem(key) };
    await store.update(pair, context.clock.now());
    this.#take(pair);
    context.log.info('A new certificate is in use', { signer, expires: this.#loaded?.certificate.validTo });
    for (const listener of this.#listeners) listener();
  }

  #take(pair: KeyPair): void {
    const certificate = new X509Certificate(pair.cert);
    const from = certificate.validFromDate.getTime();
    const share = ROTATION_MIN_SHARE + ROTATION_SPREAD * this.#options.context.random();
    this.#loaded = { pair, certificate, rotateAt: from + (validTo(certificate) - from) * share };
  }

  /** Until `delayMs` has passed (for ever without), `recheck` is called or the signal is aborted. */
  #pause(delayMs: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = delayMs === undefined ? undefined : this.#options.context.clock.after(delayMs, () => this.#wake());
      this.#wake = (): void => {
        timer?.cancel();
        signal.removeEventListener('abort', this.#wake);
        resolve();
      };
      signal.addEventListener('abort', this.#wake, { once: true });
    });
  }
}

function validTo(certificate: X509Certificate): number {
  return certificate.validToDate.getTime();
}

/** Whether every name that is wanted is in the certificate. */
function satisfies(certificate: X509Certificate, { subject, altNames }: CertificateTemplate): boolean {
  const subjectLines = certificate.subject.split('\n');
  const names = new Set((certificate.subjectAltName ?? '').split(', '));
  const addresses = new Set([...names].filter((name) => name.startsWith('IP Address:')).map((name) => canonicalIp(name.slice(11))));
  return (
    subjectLines.includes(`CN=${subject.commonName}`) &&
    subject.organizations.every((organization) => subjectLines.includes(`O=${organization}`)) &&
    altNames.dnsNames.every((name) => names.has(`DNS:${name}`)) &&
    altNames.ipAddresses.every((address) => addresses.has(canonicalIp(address)))
  );
}

function canonicalIp(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
