import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { generatePrivateKey, privateKeyPem, selfSignedCertificate } from '../cluster/x509.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, InvalidInputError } from '../lib/errors.ts';
import type { TlsMaterial } from '../server/types.ts';
import { writeFileAtomic } from '../store/atomic-file.ts';

/** Of a certificate that nobody has signed: as the kubelet's (cmd/kubelet/app/server.go, client-go util/cert). */
const SELF_SIGNED_LIFETIME_MS = 365 * 24 * 3_600_000;

/**
 * The certificate of the HTTPS server: the configured files, else `kubelet.crt` and `kubelet.key` of the certificate directory, made
 * here when they are missing. @throws InvalidInputError naming a file that cannot be read
 */
export async function serverTls(config: Config, addresses: readonly string[], clock: Clock): Promise<TlsMaterial> {
  const { tlsCertFile, tlsPrivateKeyFile } = config.kubelet;
  const pair =
    tlsCertFile === ''
      ? await ownPair(config, addresses, clock)
      : { cert: await read('tlsCertFile', tlsCertFile), key: await read('tlsPrivateKeyFile', tlsPrivateKeyFile) };
  return { current: () => pair, onChange: () => () => undefined };
}

async function ownPair(config: Config, addresses: readonly string[], clock: Clock): Promise<{ cert: string; key: string }> {
  const { certDirectory, nodeName } = config.derived;
  const [certFile, keyFile] = [path.join(certDirectory, 'kubelet.crt'), path.join(certDirectory, 'kubelet.key')];
  try {
    return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  await mkdir(certDirectory, { recursive: true, mode: 0o755 });
  const privateKey = generatePrivateKey();
  const now = clock.now();
  const cert = selfSignedCertificate(privateKey, {
    subject: { commonName: `${nodeName}@${Math.floor(now / 1000)}`, organizations: [] },
    altNames: { dnsNames: [nodeName], ipAddresses: addresses },
    notBefore: now,
    notAfter: now + SELF_SIGNED_LIFETIME_MS,
  });
  const key = privateKeyPem(privateKey);
  await writeFileAtomic(keyFile, key, { mode: 0o600 });
  await writeFileAtomic(certFile, cert, { mode: 0o644 });
  return { cert, key };
}

/** @throws InvalidInputError */
export async function read(field: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new InvalidInputError(`${field}: the file cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
