import { spawnSync } from 'node:child_process';
import { X509Certificate, createPublicKey, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import * as der from './der.ts';
import { certificateRequest, generatePrivateKey, privateKeyPem, selfSignedCertificate } from './x509.ts';

const subject = { commonName: 'system:node:node-1', organizations: ['system:nodes'] };
const altNames = { dnsNames: ['node-1', 'node-1.example.com'], ipAddresses: ['10.0.0.7', 'fd00::7'] };
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

test('a self-signed certificate is read back with its names, times and usages', () => {
  const key = generatePrivateKey();
  const notBefore = Date.UTC(2026, 0, 1);
  const notAfter = Date.UTC(2051, 5, 30, 12, 34, 56);
  const certificate = new X509Certificate(selfSignedCertificate(key, { subject, altNames, notBefore, notAfter }));
  expect(certificate.subject).toBe('O=system:nodes\nCN=system:node:node-1');
  expect(certificate.issuer).toBe(certificate.subject);
  expect(certificate.subjectAltName).toBe('DNS:node-1, DNS:node-1.example.com, IP Address:10.0.0.7, IP Address:FD00:0:0:0:0:0:0:7');
  expect([certificate.validFromDate.getTime(), certificate.validToDate.getTime()]).toEqual([notBefore, notAfter]);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(certificate.ca).toBe(true);
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(certificate.verify(createPublicKey(key))).toBe(true);
  expect(certificate.serialNumber.length).toBeGreaterThan(20);
});

test('the private key is written as Go writes it', () => {
  expect(privateKeyPem(generatePrivateKey())).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
});

test('a certificate request carries a valid signature over its body', () => {
  const key = generatePrivateKey();
  const bytes = Buffer.from(certificateRequest(key, subject, altNames).replace(/-----[^-]+-----|\n/g, ''), 'base64');
  const bodyStart = 2 + ((bytes[1] ?? 0) > 0x80 ? (bytes[1] ?? 0) - 0x80 : 0);
  const [bodyLength, headerLength] = derLength(bytes, bodyStart);
  const body = bytes.subarray(bodyStart, bodyStart + headerLength + bodyLength);
  const signature = bytes.subarray(body.length + bodyStart + 12 + 3); // AlgorithmIdentifier 12 bytes, BIT STRING header 3
  expect(verify('sha256', body, createPublicKey(key), signature)).toBe(true);
});

test.skipIf(!hasOpenssl)('openssl accepts the request and sees its names', () => {
  const pem = certificateRequest(generatePrivateKey(), subject, altNames);
  const { stdout, stderr } = spawnSync('openssl', ['req', '-noout', '-verify', '-text'], { input: pem, encoding: 'utf8' });
  expect(`${stdout}${stderr}`).toMatch(/verify OK/i);
  expect(stdout).toMatch(/Subject: O ?= ?system:nodes, CN ?= ?system:node:node-1/);
  expect(stdout).toContain('DNS:node-1, DNS:node-1.example.com, IP Address:10.0.0.7, IP Address:FD00:0:0:0:0:0:0:7');
});

test.skipIf(!hasOpenssl)('a request without names has no extensions and is accepted too', () => {
  const pem = certificateRequest(generatePrivateKey(), subject, { dnsNames: [], ipAddresses: [] });
  const { stdout, stderr } = spawnSync('openssl', ['req', '-noout', '-verify', '-text'], { input: pem, encoding: 'utf8' });
  expect(`${stdout}${stderr}`).toMatch(/verify OK/i);
  expect(stdout).not.toContain('Alternative Name');
});

test('numbers, identifiers and lengths are encoded the one way that DER allows', () => {
  expect(der.integer(0).toString('hex')).toBe('020100');
  expect(der.integer(Buffer.from([0, 0, 0x7f])).toString('hex')).toBe('02017f');
  expect(der.integer(Buffer.from([0x80])).toString('hex')).toBe('02020080');
  expect(der.objectIdentifier('1.2.840.113549.1.9.14').toString('hex')).toBe('06092a864886f70d01090e');
  expect(der.octetString(Buffer.alloc(200)).subarray(0, 3).toString('hex')).toBe('0481c8');
  expect(der.octetString(Buffer.alloc(70_000)).subarray(0, 5).toString('hex')).toBe('0483011170');
  expect(der.time(Date.UTC(2049, 11, 31, 23, 59, 59)).toString('latin1')).toContain('491231235959Z');
  expect(der.time(Date.UTC(2050, 0, 1)).toString('latin1')).toContain('20500101000000Z');
});

function derLength(bytes: Buffer, at: number): [length: number, headerLength: number] {
  const first = bytes[at + 1] ?? 0;
  if (first < 0x80) return [first, 2];
  const count = first - 0x80;
  return [bytes.readUIntBE(at + 2, count), 2 + count];
}
