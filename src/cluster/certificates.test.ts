import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { bootstrapClientCertificate, type BootstrapOptions } from './bootstrap.ts';
import { CertificateManager, nodeSubject, type CertificateTemplate } from './certificate-manager.ts';
import { CertificateStore } from './certificate-store.ts';
import { CLIENT_SIGNER, SERVING_SIGNER, requestCertificate, requestName, type CsrContext } from './csr.ts';
import { FakeCsrServer } from './fake-signer.ts';
import { fakeClient } from './fake-transport.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import { selfSignedServing } from './self-signed.ts';
import { certificateRequest, generatePrivateKey, privateKeyPem } from './x509.ts';

// Certificates are synced to disk, which on a busy machine takes its time.
vi.setConfig({ testTimeout: 30_000 });

const never = new AbortController().signal;
const noNames = { dnsNames: [], ipAddresses: [] };
const subject = nodeSubject('node-1');
const HOUR = 3_600_000;

let directory: string;
let clock: FakeClock;
let server: FakeCsrServer;
let context: CsrContext;
let stop: AbortController;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'shorelet-certificates-'));
  clock = new FakeClock();
  server = new FakeCsrServer();
  const { client, health } = fakeClient(clock, server.handle);
  context = { client, clock, log: silentLogger, health, random: () => 0.5 };
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort(new Error('test over'));
  await settle();
  await rm(directory, { recursive: true });
});

/** The work under test waits for the file system, which the fake clock does not drive: so does this, until the test's time limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await readdir(directory);
    await settle();
  }
}

function wish(): Parameters<typeof requestCertificate>[1] {
  return { key: generatePrivateKey(), subject, altNames: noNames, signer: CLIENT_SIGNER, waitMs: HOUR };
}

test('a certificate is asked for with the usages of its signer and waited for', async () => {
  const asked = requestCertificate(context, wish(), never);
  await settle();
  expect(server.requests[0]?.spec).toMatchObject({ signerName: CLIENT_SIGNER, usages: ['digital signature', 'client auth'] });
  server.approve(clock.now(), clock.now() + HOUR);
  expect(new X509Certificate(await asked).subject).toBe('O=system:nodes\nCN=system:node:node-1');
});

test('a request that is denied or deleted fails with the reason', async () => {
  const denied = requestCertificate(context, wish(), never).catch((error: unknown) => String(error));
  await settle();
  server.deny('not one of ours');
  expect(await denied).toContain('was denied: No: not one of ours');
  const deleted = requestCertificate(context, wish(), never).catch((error: unknown) => String(error));
  await settle();
  server.remove();
  expect(await deleted).toContain('was deleted');
});

test('a request that nobody approves ends at its limit, which names it', async () => {
  const asked = requestCertificate(context, wish(), never).catch((error: unknown) => String(error));
  await clock.advance(HOUR);
  expect(await asked).toContain('certificate signing request "csr-0" to be approved and issued did not finish within 3600 s');
});

test('a named request that is there already is taken up again', async () => {
  const key = generatePrivateKey();
  const name = requestName(key, subject);
  expect(name).toMatch(/^node-csr-[\w-]{43}$/);
  const first = requestCertificate(context, { ...wish(), key, name }, stop.signal).catch(() => undefined);
  await settle();
  stop.abort(new Error('crash'));
  await first;
  const second = requestCertificate(context, { ...wish(), key, name }, never);
  await settle();
  expect(server.requests).toHaveLength(1);
  server.approve(clock.now(), clock.now() + HOUR);
  expect(new X509Certificate(await second).checkPrivateKey(key)).toBe(true);
});

test('the store links the current pair, keeps a few old ones, and refuses what does not belong together', async () => {
  const store = new CertificateStore(directory, 'kubelet-client');
  expect(await store.current()).toBeUndefined();
  const make = (): { cert: string; key: string } => {
    const key = generatePrivateKey();
    return { cert: issueFor(key), key: privateKeyPem(key) };
  };
  for (let index = 0; index < 6; index += 1) {
    await store.update(make(), clock.now());
    await clock.advance(60_000);
  }
  const last = make();
  await store.update(last, clock.now());
  const current = await store.current();
  expect(createPrivateKey(current?.key ?? '').equals(createPrivateKey(last.key))).toBe(true);
  expect(path.basename(await readlink(store.currentPath))).toMatch(/^kubelet-client-2026-01-01-00-06-00\.pem$/);
  expect(await readdir(directory)).toHaveLength(5);
  expect((await stat(store.currentPath)).mode & 0o777).toBe(0o600);
  await expect(store.update({ cert: last.cert, key: make().key }, clock.now())).rejects.toThrow(/does not belong/);
  await rm(store.currentPath);
  await writeFile(store.currentPath, 'mine');
  await expect(store.update(make(), clock.now())).rejects.toThrow(/not a symbolic link/);
});

/** A certificate for the key, without a request on the server. */
function issueFor(key: KeyObject): string {
  const request = Buffer.from(certificateRequest(key, subject, noNames)).toString('base64');
  return server.issue(request, clock.now(), clock.now() + HOUR);
}

function startManager(template: () => CertificateTemplate | undefined): {
  manager: CertificateManager;
  store: CertificateStore;
  changes: () => number;
} {
  const store = new CertificateStore(directory, 'kubelet-server');
  const manager = new CertificateManager({ context, store, signer: SERVING_SIGNER, template });
  let changed = 0;
  manager.onChange(() => (changed += 1));
  void manager.run(stop.signal);
  return { manager, store, changes: () => changed };
}

test('a serving certificate is had, rotated at 80 % of its life and never answered once expired', async () => {
  const altNames = { dnsNames: ['node-1'], ipAddresses: ['10.0.0.7', 'fd00::7'] };
  const { manager, store, changes } = startManager(() => ({ subject, altNames }));
  await until(() => server.requests.length === 1);
  expect(manager.current()).toBeUndefined();
  server.approve(clock.now(), clock.now() + 10 * HOUR);
  await until(() => changes() === 1);
  const first = manager.current();
  expect(new X509Certificate(first?.cert ?? '').subjectAltName).toContain('DNS:node-1, IP Address:10.0.0.7');
  expect((await store.current())?.key).toBe(first?.key);

  await clock.advance(8 * HOUR - 1000);
  expect(server.requests).toHaveLength(1);
  await clock.advance(1000);
  await until(() => server.requests.length === 2);
  expect(manager.current()).toEqual(first);
  await clock.advance(2 * HOUR);
  expect(manager.current()).toBeUndefined();
  await until(() => server.requests.length > 2); // the first request for it has run out meanwhile
  server.approve(clock.now(), clock.now() + 10 * HOUR);
  await until(() => changes() === 2);
  expect(manager.current()?.key).not.toBe(first?.key);
});

test('new addresses ask for a new certificate at once, fewer do not; without any none is asked for', async () => {
  let addresses: string[] = [];
  const { manager, changes } = startManager(() =>
    addresses.length === 0 ? undefined : { subject, altNames: { dnsNames: [], ipAddresses: addresses } },
  );
  await clock.advance(HOUR);
  expect(server.requests).toHaveLength(0);
  addresses = ['10.0.0.7', '10.0.0.8'];
  manager.recheck();
  await until(() => server.requests.length === 1);
  server.approve(clock.now(), clock.now() + 10 * HOUR);
  await until(() => changes() === 1);
  addresses = ['10.0.0.8'];
  manager.recheck();
  await settle();
  expect(server.requests).toHaveLength(1);
  addresses = ['10.0.0.9'];
  manager.recheck();
  await until(() => server.requests.length === 2);
});

test('a certificate on disk is taken up without asking', async () => {
  const store = new CertificateStore(directory, 'kubelet-server');
  const key = generatePrivateKey();
  await store.update({ cert: issueFor(key), key: privateKeyPem(key) }, clock.now());
  const manager = new CertificateManager({ context, store, signer: SERVING_SIGNER, template: () => ({ subject, altNames: noNames }) });
  await manager.load();
  void manager.run(stop.signal);
  await clock.advance(1000);
  expect(manager.current()).toBeDefined();
  expect(server.requests).toHaveLength(0);
});

test('a denied request is followed by another after a pause', async () => {
  startManager(() => ({ subject, altNames: noNames }));
  await until(() => server.requests.length === 1);
  server.deny('no');
  await settle();
  expect(server.requests).toHaveLength(1);
  await clock.advance(2000);
  await until(() => server.requests.length === 2);
});

const bootstrapKubeconfig = `
apiVersion: v1
kind: Config
current-context: bootstrap
clusters: [{ name: c, cluster: { server: 'https://10.0.0.1:6443', certificate-authority-data: Y2E= } }]
users: [{ name: u, user: { token: abcdef.0123456789abcdef } }]
contexts: [{ name: bootstrap, context: { cluster: c, user: u } }]
`;

async function bootstrapOptions(): Promise<BootstrapOptions & { closed: number }> {
  const file = path.join(directory, 'bootstrap.conf');
  await writeFile(file, bootstrapKubeconfig);
  const options = {
    kubeconfig: path.join(directory, 'etc', 'kubelet.conf'),
    bootstrapKubeconfig: file,
    certDirectory: path.join(directory, 'pki'),
    nodeName: 'node-1',
    clock,
    log: silentLogger,
    closed: 0,
    connect: () => ({ csr: context, close: () => void (options.closed += 1) }),
  };
  return options;
}

test('the bootstrap writes the certificate and a kubeconfig that names it, and is not repeated while it is valid', async () => {
  const options = await bootstrapOptions();
  const done = bootstrapClientCertificate(options, never);
  await until(() => server.requests.length === 1);
  server.approve(clock.now(), clock.now() + HOUR);
  expect(await done).toBe(true);
  expect(options.closed).toBe(1);
  const kubeconfig = parseKubeconfig(await readFile(options.kubeconfig, 'utf8'), options.kubeconfig);
  const pem = path.join(options.certDirectory, 'kubelet-client-current.pem');
  expect(kubeconfig).toMatchObject({ cluster: { server: 'https://10.0.0.1:6443', caData: 'Y2E=' }, user: { certFile: pem, keyFile: pem } });
  expect(await readFile(pem, 'utf8')).toMatch(/BEGIN CERTIFICATE[\s\S]*BEGIN EC PRIVATE KEY/);
  expect(await readdir(options.certDirectory)).not.toContain('kubelet-client.key.tmp');

  expect(await bootstrapClientCertificate(options, never)).toBe(false);
  await clock.advance(HOUR);
  void bootstrapClientCertificate(options, stop.signal).catch(() => undefined);
  await until(() => server.requests.length === 2);
});

test('a bootstrap that was interrupted goes on with the same key and request', async () => {
  const options = await bootstrapOptions();
  const interrupted = bootstrapClientCertificate(options, stop.signal).catch(() => undefined);
  await until(() => server.requests.length === 1);
  stop.abort(new Error('crash'));
  await interrupted;
  const done = bootstrapClientCertificate(options, never);
  await settle();
  server.approve(clock.now(), clock.now() + HOUR);
  expect(await done).toBe(true);
  expect(server.requests).toHaveLength(1);
});

test('a node without a signer serves a certificate of its own, the same after a restart, another before it expires', async () => {
  const options = { certDirectory: directory, nodeName: 'node-1', altNames: { dnsNames: [], ipAddresses: ['10.0.0.7'] }, clock };
  const first = (await selfSignedServing(options)).current();
  expect(new X509Certificate(first?.cert ?? '').subjectAltName).toBe('DNS:node-1, IP Address:10.0.0.7');
  expect((await selfSignedServing(options)).current()).toEqual(first);
  expect((await stat(path.join(directory, 'kubelet.key'))).mode & 0o777).toBe(0o600);
  await clock.advance(340 * 86_400_000);
  expect((await selfSignedServing(options)).current()).not.toEqual(first);
});
