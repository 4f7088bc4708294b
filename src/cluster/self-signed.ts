/** The serving certificate of a node that has no other: signed by itself, kept on disk (kubelet cmd/kubelet/app/server.go, `kubelet.crt`). */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { checkPair, writeDurably } from './certificate-store.ts';
import type { CertificateSource, KeyPair } from './types.ts';
import { generatePrivateKey, privateKeyPem, selfSignedCertificate, type SubjectAltNames } from './x509.ts';

export interface SelfSignedServingOptions {
  readonly certDirectory: string;
  readonly nodeName: string;
  readonly altNames: SubjectAltNames;
  readonly clock: Clock;
}

const YEAR_MS = 365 * 86_400_000;
/** Clocks of clients may be a little behind. */
const BACKDATED_MS = 3_600_000;
/** A certificate with less than this left is made anew at start. */
const MIN_LEFT_MS = 30 * 86_400_000;

/** Reads the pair `kubelet.crt` and `kubelet.key`, or makes it when it is absent, damaged or about to expire. */
export async function selfSignedServing(options: SelfSignedServingOptions): Promise<CertificateSource> {
  const { certDirectory, clock } = options;
  const files = { cert: path.join(certDirectory, 'kubelet.crt'), key: path.join(certDirectory, 'kubelet.key') };
  const pair = (await readPair(files, clock.now())) ?? (await createPair(options, files));
  return { current: () => pair, onChange: () => () => undefined };
}

async function readPair(files: KeyPair, nowMs: number): Promise<KeyPair | undefined> {
  try {
    const pair = { cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8') };
    return checkPair(pair).validToDate.getTime() - nowMs >= MIN_LEFT_MS ? pair : undefined;
  } catch {
    return undefined; // absent or damaged
  }
}

async function createPair({ certDirectory, nodeName, altNames, clock }: SelfSignedServingOptions, files: KeyPair): Promise<KeyPair> {
  const now = clock.now();
  const key = generatePrivateKey();
  const cert = selfSignedCertificate(key, {
    subject: { commonName: `${nodeName}@${Math.floor(now / 1000)}`, organizations: [] },
    altNames: { ...altNames, dnsNames: [...new Set([nodeName, ...altNames.dnsNames])] },
    notBefore: now - BACKDATED_MS,
    notAfter: now + YEAR_MS,
  });
  const pair = { cert, key: privateKeyPem(key) };
  await mkdir(certDirectory, { recursive: true });
  await writeDurably(files.key, pair.key);
  await writeDurably(files.cert, pair.cert);
  return pair;
}
