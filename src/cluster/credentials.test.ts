import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { createClusterAccess, loadClusterAccess, type ClusterAccess } from './credentials.ts';
import { inClusterContext, parseKubeconfig } from './kubeconfig.ts';

const never = new AbortController().signal;
const clock = new FakeClock();
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'shorelet-credentials-'));
});
afterEach(() => rm(directory, { recursive: true }));

function kubeconfig(user: object, cluster: object = {}): string {
  return JSON.stringify({
    'current-context': 'main',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
  });
}

function access(user: object, cluster: object = {}): ClusterAccess {
  return createClusterAccess(parseKubeconfig(kubeconfig(user, cluster), path.join(directory, 'config')), clock, {});
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('certificates and keys are read from data or from files beside the kubeconfig', async () => {
  await writeFile(path.join(directory, 'client.pem'), 'cert and key');
  const inline = access(
    { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') },
    { 'certificate-authority-data': base64('ca') },
  );
  expect(await inline.tls(never)).toEqual({
    ca: 'ca',
    cert: 'cert',
    key: 'key',
    servername: undefined,
    rejectUnauthorized: true,
    generation: 1,
  });
  expect(inline.server.href).toBe('https://10.0.0.1:6443/');
  const files = access({ 'client-certificate': 'client.pem', 'client-key': './client.pem' }, { 'tls-server-name': 'kubernetes' });
  expect(await files.tls(never)).toMatchObject({ cert: 'cert and key', key: 'cert and key', servername: 'kubernetes' });
});

test('a rotated certificate file is noticed within a minute, or at once when told', async () => {
  const file = path.join(directory, 'client.pem');
  await writeFile(file, 'old');
  const rotating = access({ 'client-certificate': file, 'client-key': file });
  expect(await rotating.tls(never)).toMatchObject({ cert: 'old', generation: 1 });
  await writeFile(file, 'new');
  expect(await rotating.tls(never)).toMatchObject({ cert: 'old', generation: 1 });
  await clock.advance(60_000);
  expect(await rotating.tls(never)).toMatchObject({ cert: 'new', generation: 2 });
  await writeFile(file, 'newest');
  rotating.refresh();
  expect(await rotating.tls(never)).toMatchObject({ cert: 'newest', generation: 3 });
  expect(await rotating.tls(never)).toMatchObject({ generation: 3 });
  await rm(file);
  await clock.advance(60_000);
  expect(await rotating.tls(never)).toMatchObject({ cert: 'newest', generation: 3 });
});

test('each kind of user has its header', async () => {
  await writeFile(path.join(directory, 'token'), 'from-file\n');
  expect(await access({ token: 'plain' }).headers(never)).toEqual({ authorization: 'Bearer plain' });
  expect(await access({ tokenFile: 'token', token: 'ignored' }).headers(never)).toEqual({ authorization: 'Bearer from-file' });
  expect(await access({ username: 'jane', password: 'pw' }).headers(never)).toEqual({ authorization: `Basic ${base64('jane:pw')}` });
  expect(await access({ token: 't', as: 'admin' }).headers(never)).toEqual({ authorization: 'Bearer t', 'impersonate-user': 'admin' });
  expect(await access({}).headers(never)).toEqual({});
});

test('a plugin is run for its token and certificate, with what it expects in its environment, and not again while the token is valid', async () => {
  const plugin = path.join(directory, 'plugin.sh');
  const credential = `{"kind":"ExecCredential","status":{"token":"'$(wc -l < runs | tr -d " ")'-'$EXTRA'","clientCertificateData":"cert","clientKeyData":"key"}}`;
  await writeFile(plugin, `#!/bin/sh\ncd ${directory}\necho "$KUBERNETES_EXEC_INFO" >> runs\necho '${credential}'\n`);
  await chmod(plugin, 0o700);
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin.sh',
    env: [{ name: 'EXTRA', value: 'x' }],
    provideClusterInfo: true,
  };
  const user = access({ exec });
  const both = await Promise.all([user.headers(never), user.tls(never)]);
  expect(both).toMatchObject([{ authorization: 'Bearer 1-x' }, { cert: 'cert', key: 'key' }]);
  expect(await user.headers(never)).toEqual({ authorization: 'Bearer 1-x' });
  user.refresh();
  expect(await user.headers(never)).toEqual({ authorization: 'Bearer 2-x' });
});

test('a plugin that fails makes the server unavailable and says what it printed', async () => {
  const user = access({
    exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', 'echo no login >&2; exit 1'] },
  });
  await expect(user.headers(never)).rejects.toMatchObject({ code: 'Unavailable', cause: { message: 'no login\n' } });
});

test('a kubeconfig that cannot be used is refused naming the file and the entry', async () => {
  const parse = (text: string): unknown => parseKubeconfig(text, '/etc/kube');
  expect(() => parse(': [')).toThrow(/kubeconfig \/etc\/kube is not YAML/);
  expect(() => parse('[]')).toThrow(/not a mapping/);
  expect(() => parse('{}')).toThrow(/no current-context/);
  expect(() => parse(kubeconfig({}).replace('"current-context":"main"', '"current-context":"x"'))).toThrow(/no context named "x"/);
  expect(() => parse(kubeconfig({}).replace('"user":"u"', '"user":"gone"'))).toThrow(/no user named "gone"/);
  expect(() => parse(kubeconfig({}).replace('"server"', '"srv"'))).toThrow(/clusters\[0\].cluster.server is missing/);
  expect(() => access({}, { server: 'ftp://x' })).toThrow(/"ftp:\/\/x" is not an http or https URL/);
  const settings = { kubeconfig: path.join(directory, 'absent'), clock, env: {} };
  await expect(loadClusterAccess(settings)).rejects.toThrow(/absent cannot be read/);
});

test('inside a pod the service account is used, IPv6 included, and outside that is said', () => {
  expect(inClusterContext({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }).cluster.server).toBe(
    'https://[fd00::1]:443',
  );
  expect(() => inClusterContext({})).toThrow(/no kubeconfig is given/);
});
