import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errorCode } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { loadCniConfiguration, parseNetworkList } from './cni-config.ts';
import { CniNetwork, capabilityArgs } from './cni-network.ts';
import type { CniCall } from './cni-plugin.ts';
import type { SandboxNetworkRequest } from './sandbox-network.ts';

const { signal } = new AbortController();
const sandboxId = 'a'.repeat(64);
const request: SandboxNetworkRequest = {
  sandboxId,
  namespace: 'ns',
  name: 'pod',
  uid: 'uid-1',
  annotations: {},
  portMappings: [
    { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '' },
    { protocol: 'UDP', containerPort: 53, hostPort: 0, hostIp: '' },
  ],
  netnsPath: '/proc/1/ns/net',
};
const conflist = {
  cniVersion: '1.0.0',
  name: 'net',
  plugins: [
    { type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local' } },
    { type: 'portmap', capabilities: { portMappings: true }, snat: true },
  ],
};
const bridgeResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'cni0' }, { name: 'veth1' }, { name: 'eth0', sandbox: '/proc/1/ns/net' }],
  ips: [
    { address: '10.1.0.2/16', interface: 2 },
    { address: 'fd00::2/64', interface: 2 },
    { address: '10.9.9.9/32', interface: 1 },
  ],
};

let directory: string;
let confDir: string;
let cacheDir: string;
let calls: CniCall[];
let failing: string | undefined;
let started: CniNetwork[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cni-'));
  confDir = path.join(directory, 'conf');
  cacheDir = path.join(directory, 'cache');
  await mkdir(confDir);
  await mkdir(path.join(directory, 'bin'));
  for (const plugin of ['bridge', 'portmap', 'ptp']) await writeFile(path.join(directory, 'bin', plugin), '', { mode: 0o755 });
  calls = [];
  failing = undefined;
  started = [];
});
afterEach(async () => {
  for (const network of started) await network.stop();
  await rm(directory, { recursive: true });
});

async function start(): Promise<CniNetwork> {
  const run = (call: CniCall): Promise<unknown> => {
    calls.push(call);
    if (failing === `${call.command} ${call.type}`) return Promise.reject(new Error(`${failing} failed`));
    return Promise.resolve(call.command === 'ADD' ? (call.type === 'bridge' ? bridgeResult : configOf(call)['prevResult']) : undefined);
  };
  const settings = { binDirs: [path.join(directory, 'bin')], confDir, cacheDir, hairpinMode: 'none' } as const;
  const network = new CniNetwork(settings, { run, logger: silentLogger });
  started.push(network);
  await network.start();
  return network;
}

function configOf(call: CniCall | undefined): Record<string, unknown> {
  return { ...(call?.config ?? {}) };
}

const done = (): string[] => calls.map((call) => `${call.command} ${call.type}`);
const configure = (name: string, content: unknown): Promise<void> =>
  writeFile(path.join(confDir, name), typeof content === 'string' ? content : JSON.stringify(content));

test('ADD goes through the list and hands on the result; addresses are those of the sandbox’s interface', async () => {
  await configure('10-net.conflist', conflist);
  const state = await (await start()).setUp(request, signal);
  expect(done()).toEqual(['ADD bridge', 'ADD portmap']);
  expect(calls[0]).toMatchObject({ containerId: sandboxId, netnsPath: '/proc/1/ns/net', ifName: 'eth0' });
  expect(calls[0]?.args).toBe(
    `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod;K8S_POD_INFRA_CONTAINER_ID=${sandboxId};K8S_POD_UID=uid-1`,
  );
  expect(configOf(calls[0])).toEqual({ type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local' }, cniVersion: '1.0.0', name: 'net' });
  expect(configOf(calls[1])).toMatchObject({ snat: true, prevResult: bridgeResult });
  expect(configOf(calls[1])['runtimeConfig']).toEqual({
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }],
  });
  expect(state.ips).toEqual(['10.1.0.2', 'fd00::2']);
});

test('the result is cached for other tools and removed with the network', async () => {
  await configure('net.conflist', conflist);
  const network = await start();
  const state = await network.setUp(request, signal);
  const results = path.join(cacheDir, 'results');
  expect(await readdir(results)).toEqual([`net-${sandboxId}-eth0`]);
  const cached: unknown = JSON.parse(await readFile(path.join(results, `net-${sandboxId}-eth0`), 'utf8'));
  expect(cached).toMatchObject({ kind: 'cniCacheV1', containerId: sandboxId, networkName: 'net', ifName: 'eth0', result: bridgeResult });
  await network.tearDown(request, state, signal);
  expect(await readdir(results)).toEqual([]);
});

test('DEL goes backwards with the result, by the list that set the network up, also without a namespace', async () => {
  await configure('net.conflist', conflist);
  const state = await (await start()).setUp(request, signal);
  await configure('net.conflist', { ...conflist, name: 'other', plugins: [{ type: 'ptp' }] });
  const later = await start();
  calls = [];
  const { netnsPath: _gone, ...without } = request;
  await later.tearDown(without, structuredClone(state), signal);
  expect(done()).toEqual(['DEL portmap', 'DEL bridge']);
  expect(calls.map((call) => call.netnsPath)).toEqual(['', '']);
  expect(configOf(calls[0])).toMatchObject({
    name: 'net',
    prevResult: bridgeResult,
    runtimeConfig: { portMappings: [{ hostPort: 8080 }] },
  });
});

test('a failed ADD is taken down before it is told', async () => {
  await configure('net.conflist', conflist);
  failing = 'ADD portmap';
  await expect((await start()).setUp(request, signal)).rejects.toThrow('ADD portmap failed');
  expect(done()).toEqual(['ADD bridge', 'ADD portmap', 'DEL portmap', 'DEL bridge']);
});

test('a failed DEL is told, and can be repeated', async () => {
  await configure('net.conflist', conflist);
  const network = await start();
  const state = await network.setUp(request, signal);
  failing = 'DEL bridge';
  await expect(network.tearDown(request, state, signal)).rejects.toThrow('DEL bridge failed');
  failing = undefined;
  await network.tearDown(request, state, signal);
});

test('what was never set up is taken down as far as the configuration knows, and without one there is nothing to do', async () => {
  await (await start()).tearDown(request, undefined, signal);
  expect(calls).toEqual([]);
  await configure('net.conflist', conflist);
  await (await start()).tearDown(request, undefined, signal);
  expect(done()).toEqual(['DEL portmap', 'DEL bridge']);
});

test('CHECK asks every plugin, but not where the list forbids it or cannot tell', async () => {
  await configure('net.conflist', conflist);
  const network = await start();
  const state = await network.setUp(request, signal);
  calls = [];
  await network.check(request, state, signal);
  expect(done()).toEqual(['CHECK bridge', 'CHECK portmap']);
  for (const change of [{ disableCheck: true }, { cniVersion: '0.3.1' }]) {
    await configure('net.conflist', { ...conflist, ...change });
    const other = await start();
    const otherState = await other.setUp(request, signal);
    calls = [];
    await other.check(request, otherState, signal);
    expect(calls).toEqual([]);
  }
});

test('before 0.4.0 a DEL is not told the result', async () => {
  await configure('net.conflist', { ...conflist, cniVersion: '0.3.1' });
  const network = await start();
  const state = await network.setUp(request, signal);
  calls = [];
  await network.tearDown(request, state, signal);
  expect(configOf(calls[0])['prevResult']).toBeUndefined();
});

test('readiness says what is missing', async () => {
  const readiness = async (): Promise<unknown> => (await start()).readiness();
  expect(await readiness()).toMatchObject({
    ready: false,
    reason: 'NetworkPluginNotReady',
    message: expect.stringContaining(confDir) as string,
  });
  await configure('net.conflist', { ...conflist, plugins: [{ type: 'calico' }] });
  expect(await readiness()).toMatchObject({
    ready: false,
    message: expect.stringContaining('failed to find CNI plugin "calico"') as string,
  });
  await configure('net.conflist', conflist);
  expect(await readiness()).toEqual({ ready: true });
});

test('without a usable configuration a sandbox gets no network, and the reason', async () => {
  expect(await (await start()).setUp(request, signal).catch(errorCode)).toBe('FailedPrecondition');
});

test('readiness follows the directory', async () => {
  const network = await start();
  expect(network.readiness().ready).toBe(false);
  await configure('net.conflist', conflist);
  await expect.poll(() => network.readiness().ready, { timeout: 4_000 }).toBe(true);
  await rm(path.join(confDir, 'net.conflist'));
  await expect.poll(() => network.readiness().ready, { timeout: 4_000 }).toBe(false);
});

test('a directory that comes later is found', async () => {
  await rm(confDir, { recursive: true });
  const network = await start();
  await mkdir(confDir);
  await configure('net.conflist', conflist);
  await expect.poll(() => network.readiness().ready, { timeout: 4_000 }).toBe(true);
});

test('the first usable file in the order of names is taken, the others are passed over', async () => {
  await configure('00-broken.conflist', '{');
  await configure('05-old.conf', { cniVersion: '0.2.0', name: 'old', type: 'bridge' });
  await configure('10-single.conf', { cniVersion: '0.4.0', name: 'single', type: 'bridge', mtu: 9 });
  await configure('20-list.conflist', conflist);
  await configure('README', 'not a configuration');
  const { network, problems } = await loadCniConfiguration(confDir);
  expect(network).toEqual({ cniVersion: '0.4.0', name: 'single', disableCheck: false, plugins: [{ type: 'bridge', mtu: 9 }] });
  expect(problems.map((problem) => path.basename(problem.split(':')[0] ?? ''))).toEqual(['00-broken.conflist', '05-old.conf']);
});

test.each([
  ['{}', 'name'],
  ['{"cniVersion":"1.0.0","name":"x","plugins":[]}', 'plugins'],
  ['{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"../../bin/sh"}]}', 'type'],
  ['{"cniVersion":"2.0.0","name":"x","plugins":[{"type":"a"}]}', 'cniVersion 2.0.0'],
])('%s is no network', (text, what) => {
  expect(() => parseNetworkList(text)).toThrow(what);
});

test('bandwidth annotations and the pod CIDR become capability arguments', () => {
  const annotations = { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '1Gi' };
  expect(capabilityArgs({ ...request, portMappings: [], annotations }, '10.1.0.0/24,fd00::/64')).toEqual({
    bandwidth: { ingressRate: 10_000_000, ingressBurst: 2147483647, egressRate: 2 ** 30, egressBurst: 2147483647 },
    ipRanges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]],
  });
});

test.each(['', '10', 'fast', '1e9', '-5M', '9999999G'])(
  'a bandwidth of %j is refused, but the sandbox can still be taken down',
  async (rate) => {
    await configure('net.conflist', conflist);
    const network = await start();
    const annotated = { ...request, annotations: { 'kubernetes.io/ingress-bandwidth': rate } };
    expect(await network.setUp(annotated, signal).catch(errorCode)).toBe('InvalidArgument');
    await network.tearDown(annotated, undefined, signal);
  },
);
