/** Certificates with their keys as files, under the kubelet's names (client-go util/certificate/certificate_store.go). */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { lstat, mkdir, open, readFile, readdir, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';
import type { KeyPair } from './types.ts';

/** Older pairs that are kept beside the current one, for a person who looks. */
const KEPT_PAIRS = 3;

/**
 * INVARIANT: `<prefix>-current.pem` is at every moment either absent or a link to a complete pair, also after a crash in the middle of
 * an update.
 */
export class CertificateStore {
  readonly #directory: string;
  readonly #prefix: string;

  /** `prefix`: `kubelet-client` or `kubelet-server`. */
  constructor(directory: string, prefix: string) {
    this.#directory = path.resolve(directory);
    this.#prefix = prefix;
  }

  /** What kubeconfig files name. */
  get currentPath(): string {
    return path.join(this.#directory, `${this.#prefix}-current.pem`);
  }

  /** `undefined` when there is none, or what is there cannot be used. */
  async current(): Promise<KeyPair | undefined> {
    try {
      return splitPem(await readFile(this.currentPath, 'utf8'));
    } catch {
      return undefined; // absent, unreadable or damaged: a new one is requested
    }
  }

  /** Makes the pair the current one. @throws InvalidInputError when the key does not belong to the certificate */
  async update(pair: KeyPair, nowMs: number): Promise<void> {
    checkPair(pair);
    await mkdir(this.#directory, { recursive: true });
    const stamp = new Date(nowMs).toISOString().slice(0, 19).replace(/[T:]/g, '-');
    const file = path.join(this.#directory, `${this.#prefix}-${stamp}.pem`);
    await writeDurably(file, `${pair.cert.trimEnd()}\n${pair.key.trimEnd()}\n`);
    await this.#refuseForeignFile();
    const link = path.join(this.#directory, `${this.#prefix}-updated.pem`);
    await rm(link, { force: true });
    await symlink(file, link);
    await rename(link, this.currentPath);
    await this.#removeOld(path.basename(file));
  }

  /** A plain file in the place of the link was put there by a person. */
  async #refuseForeignFile(): Promise<void> {
    const stats = await lstat(this.currentPath).catch(() => undefined); // absent
    if (stats !== undefined && !stats.isSymbolicLink()) {
      throw new InvalidInputError(`${this.currentPath} is not a symbolic link; remove it to let certificates be rotated`);
    }
  }

  async #removeOld(current: string): Promise<void> {
    const pattern = new RegExp(`^${this.#prefix}-\\d{4}-\\d{2}-\\d{2}-\\d{2}-\\d{2}-\\d{2}\\.pem$`);
    const pairs = (await readdir(this.#directory)).filter((name) => pattern.test(name) && name !== current).sort();
    for (const name of pairs.slice(0, Math.max(0, pairs.length - KEPT_PAIRS))) await rm(path.join(this.#directory, name), { force: true });
  }
}

/** Certificates and key out of one PEM text. @throws InvalidInputError */
export function splitPem(text: string): KeyPair {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const cert = blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----')).join('\n');
  const key = blocks.find((block) => /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(block));
  if (cert === '' || key === undefined) throw new InvalidInputError('the PEM text does not hold a certificate and a private key');
  return { cert: `${cert}\n`, key: `${key}\n` };
}

/** The first certificate, once it is clear that the key is its own. @throws InvalidInputError */
export function checkPair({ cert, key }: KeyPair): X509Certificate {
  let certificate: X509Certificate;
  let matches: boolean;
  try {
    certificate = new X509Certificate(cert);
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new InvalidInputError('the certificate or its private key cannot be read', { cause: error });
  }
  if (!matches) throw new InvalidInputError('the private key does not belong to the certificate');
  return certificate;
}

/** Writes a file that only its owner may read, completely or not at all. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
