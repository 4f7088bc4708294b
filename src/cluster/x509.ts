/** Certificate requests (PKCS #10, RFC 2986) and self-signed certificates (RFC 5280) for ECDSA P-256 keys; Node can read these but not make them. */
import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import * as der from './der.ts';

export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export interface SubjectAltNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface SelfSignedOptions {
  readonly subject: CertificateSubject;
  readonly altNames: SubjectAltNames;
  /** Ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectAltName: '2.5.29.17',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  extensionRequest: '1.2.840.113549.1.9.14',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

const DNS_NAME = 2;
const IP_ADDRESS = 7;
/** Key usage bits from the left: digitalSignature 0, keyEncipherment 2, keyCertSign 5. */
const SERVER_KEY_USAGE = der.bitString(Buffer.from([0b1010_0100]), 2);
const SERIAL_BYTES = 16;

/** A new ECDSA P-256 private key, as the kubelet makes them. */
export function generatePrivateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** A key as the PEM block that Go writes for it (`EC PRIVATE KEY`). */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'sec1', format: 'pem' }).toString();
}

/** A signing request, PEM. */
export function certificateRequest(key: KeyObject, subject: CertificateSubject, altNames: SubjectAltNames): string {
  const extensions = hasNames(altNames) ? [der.sequence(extension(OID.subjectAltName, altNameList(altNames)))] : [];
  const attributes = extensions.map((list) => der.sequence(der.objectIdentifier(OID.extensionRequest), der.setOf(list)));
  const info = der.sequence(der.integer(0), name(subject), publicKeyInfo(key), der.explicit(0, ...attributes));
  return pem('CERTIFICATE REQUEST', signed(key, info));
}

/** A certificate for a TLS server signed by its own key, PEM; clients must be told to trust or ignore it. */
export function selfSignedCertificate(key: KeyObject, options: SelfSignedOptions): string {
  const { subject, altNames, notBefore, notAfter } = options;
  const extensions = der.sequence(
    extension(OID.keyUsage, SERVER_KEY_USAGE, true),
    extension(OID.extendedKeyUsage, der.sequence(der.objectIdentifier(OID.serverAuth))),
    extension(OID.basicConstraints, der.sequence(der.boolean(true)), true),
    ...(hasNames(altNames) ? [extension(OID.subjectAltName, altNameList(altNames))] : []),
  );
  const body = der.sequence(
    der.explicit(0, der.integer(2)),
    der.integer(randomBytes(SERIAL_BYTES)),
    algorithm(),
    name(subject),
    der.sequence(der.time(notBefore), der.time(notAfter)),
    name(subject),
    publicKeyInfo(key),
    der.explicit(3, extensions),
  );
  return pem('CERTIFICATE', signed(key, body));
}

function signed(key: KeyObject, body: Buffer): Buffer {
  return der.sequence(body, algorithm(), der.bitString(sign('sha256', body, key)));
}

function algorithm(): Buffer {
  return der.sequence(der.objectIdentifier(OID.ecdsaWithSha256));
}

/** Organization before common name, the order in which Go writes them. */
function name({ commonName, organizations }: CertificateSubject): Buffer {
  const attribute = (type: string, value: string): Buffer => der.sequence(der.objectIdentifier(type), der.utf8String(value));
  const organizationSet = organizations.map((organization) => attribute(OID.organization, organization));
  return der.sequence(
    ...(organizationSet.length === 0 ? [] : [der.setOf(...organizationSet)]),
    der.setOf(attribute(OID.commonName, commonName)),
  );
}

function publicKeyInfo(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function extension(type: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.objectIdentifier(type), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

function hasNames({ dnsNames, ipAddresses }: SubjectAltNames): boolean {
  return dnsNames.length + ipAddresses.length > 0;
}

function altNameList({ dnsNames, ipAddresses }: SubjectAltNames): Buffer {
  return der.sequence(
    ...dnsNames.map((dnsName) => der.implicit(DNS_NAME, Buffer.from(dnsName, 'ascii'))),
    ...ipAddresses.map((address) => der.implicit(IP_ADDRESS, Buffer.from(ipaddr.process(address).toByteArray()))),
  );
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
