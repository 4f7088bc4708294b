import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DockerService } from '../../../src/dockershim/types.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { CniNetwork } from '../../../src/network/cni-network.ts';
import { createCniRunner } from '../../../src/network/cni-plugin.ts';
import { run } from '../../cluster/run.ts';
import type { TestBed } from '../../cluster/test-bed.ts';
import { waitFor } from '../../cluster/wait.ts';
import { Bed } from './bed.ts';
import { dockerUnderTest, settingsOn, startDockerBed, startDockershim } from './docker-bed.ts';

const BRIDGE = 'cni0';

/** Debian's plugins on a real engine: bridge, host-local and portmap. */
describe('DockerService with CNI', () => {
  const { signal } = new AbortController();
  let testBed: TestBed;
  let network: CniNetwork;
  let service: DockerService;
  let bed: Bed;
  let confDir: string;
  let cacheDir: string;

  beforeAll(async () => {
    testBed = await startDockerBed();
    confDir = path.join(testBed.node.dir, 'cni/net.d');
    cacheDir = path.join(testBed.node.dir, 'cni/cache');
    await mkdir(confDir, { recursive: true });
    await startService();
    bed = new Bed(dockerUnderTest(() => service, testBed));
  });
  afterEach(() => bed.cleanUp());
  afterAll(async () => {
    await service.stop();
    await testBed.stop();
  });

  async function startService(): Promise<void> {
    const { node } = testBed;
    // Plugins work where the node's engine is: in its network namespace, with its iptables.
    const environment = Object.entries(node.slot.env).filter(([key]) => ['PATH', 'LD_LIBRARY_PATH', 'XTABLES_LIBDIR'].includes(key));
    const enter = ['env', ...environment.map(([key, value]) => `${key}=${value ?? ''}`), ...node.enter];
    const binDirs = [node.slot.tools.cniPlugins];
    const runner = createCniRunner({ binDirs, clock: systemClock, enter });
    network = new CniNetwork({ binDirs, confDir, cacheDir, hairpinMode: 'none' }, { run: runner, logger: silentLogger });
    service = await startDockershim(settingsOn(testBed, { instanceId: 'cni' }), network);
  }

  const leaseDir = (): string => path.join(testBed.node.dir, 'cni/leases');
  const configure = (): Promise<void> =>
    writeFile(
      path.join(confDir, '10-net.conflist'),
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'contract',
        plugins: [
          {
            type: 'bridge',
            bridge: BRIDGE,
            isGateway: true,
            ipMasq: true,
            ipam: {
              type: 'host-local',
              dataDir: leaseDir(),
              ranges: [[{ subnet: testBed.node.cniRange }]],
              routes: [{ dst: '0.0.0.0/0' }],
            },
          },
          { type: 'portmap', capabilities: { portMappings: true } },
        ],
      }),
    );
  const inNode = async (...command: string[]): Promise<string> =>
    (await run([...testBed.node.enter, ...command], { env: testBed.node.slot.env })).stdout;
  const networkReady = async (): Promise<boolean | undefined> =>
    (await service.runtime.status({}, signal)).conditions.find((condition) => condition.type === 'NetworkReady')?.status;

  test('the network is ready when a configuration appears', async () => {
    expect(await networkReady()).toBe(false);
    await expect(bed.sandbox()).rejects.toThrow('cni config uninitialized');
    await configure();
    await waitFor('readiness', networkReady, { timeoutMs: 20_000 });
  });

  test('two pods reach each other, a host port answers, and the loopback is up', async () => {
    await acceptBridge('--insert');
    const server = await bed.sandbox({ portMappings: [{ protocol: 'TCP', containerPort: 8080, hostPort: 18080, hostIp: '' }] });
    await bed.start(server, 'while :; do echo answer | nc -l -p 8080; done');
    const [ip = ''] = (await bed.runtime.podSandboxStatus(server.id, signal)).ips;
    expect(await bed.runtime.podSandboxStatus(server.id, signal)).toMatchObject({ state: 'ready' });
    const client = await bed.sandbox();
    const id = await bed.start(client, 'sleep 600');
    const ask = async (host: string, port: number): Promise<string> =>
      (await bed.exec(id, `nc -w 2 ${host} ${String(port)} </dev/null`)).stdout;
    await waitFor('the pod', async () => (await ask(ip, 8080)) === 'answer\n', { timeoutMs: 20_000 });
    await waitFor('the host port', async () => (await ask(testBed.node.address, 18080)) === 'answer\n', { timeoutMs: 20_000 });
    expect((await bed.exec(id, 'ip -o addr show lo')).stdout).toContain('127.0.0.1/8');
    expect((await bed.exec(id, 'ip -o -4 addr show eth0')).stdout).toContain('inet ');
    await acceptBridge('--delete');
  });

  test('after deletion nothing is left: no interface, no rule, no lease, no cached result', async () => {
    const sandbox = await bed.sandbox({ portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 18081, hostIp: '' }] });
    const [ip = ''] = (await bed.runtime.podSandboxStatus(sandbox.id, signal)).ips;
    expect(await leftovers(ip)).toEqual({ interfaces: 1, rules: true, leases: 1, results: 1 });
    await bed.runtime.stopPodSandbox(sandbox.id, signal);
    expect(await leftovers(ip)).toEqual({ interfaces: 0, rules: false, leases: 0, results: 0 });
    await bed.runtime.removePodSandbox(sandbox.id, signal);
  });

  test('a restart of the service keeps addresses and readiness, and takes down what an earlier life has set up', async () => {
    const sandbox = await bed.sandbox();
    const before = await bed.runtime.podSandboxStatus(sandbox.id, signal);
    await service.stop();
    await startService();
    expect(await bed.runtime.podSandboxStatus(sandbox.id, signal)).toEqual(before);
    await bed.runtime.removePodSandbox(sandbox.id, signal);
    expect(await leftovers(before.ips[0] ?? '')).toEqual({ interfaces: 0, rules: false, leases: 0, results: 0 });
  });

  test('a sandbox that died, as after a reboot, gives its address back', async () => {
    const sandbox = await bed.sandbox({ portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 18082, hostIp: '' }] });
    const [ip = ''] = (await bed.runtime.podSandboxStatus(sandbox.id, signal)).ips;
    await testBed.engine.docker(['rm', '--force', sandbox.id]);
    await waitFor('the loss', async () => (await bed.runtime.podSandboxStatus(sandbox.id, signal)).state === 'notready', {
      timeoutMs: 20_000,
    });
    expect((await leftovers(ip)).leases).toBe(1);
    await bed.runtime.stopPodSandbox(sandbox.id, signal);
    await bed.runtime.removePodSandbox(sandbox.id, signal);
    expect(await leftovers(ip)).toEqual({ interfaces: 0, rules: false, leases: 0, results: 0 });
  });

  test('CHECK notices an interface that somebody has removed', async () => {
    const sandbox = await bed.sandbox();
    const id = await bed.start(sandbox, 'sleep 600', {
      linux: { securityContext: { capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: [] } } },
    });
    const warned: unknown[] = [];
    const request = { sandboxId: sandbox.id, namespace: 'n', name: 'p', uid: 'u', annotations: {}, portMappings: [] };
    const pid = (await testBed.engine.docker(['inspect', '--format', '{{.State.Pid}}', sandbox.id])).trim();
    const state = await stateOf(sandbox.id);
    const check = (): Promise<void> => network.check({ ...request, netnsPath: `/proc/${pid}/ns/net` }, state, signal);
    await check();
    await bed.exec(id, 'ip link delete eth0');
    await check().catch((error: unknown) => warned.push(error));
    expect(String(warned[0])).toContain('CHECK');
  });

  test('the host network is none of CNI’s business', async () => {
    await rm(path.join(confDir, '10-net.conflist'));
    await waitFor('the loss of readiness', async () => !(await networkReady()), { timeoutMs: 20_000 });
    const namespaceOptions = { network: 'node', pid: 'container', ipc: 'pod' } as const;
    const sandbox = await bed.sandbox({ linux: { securityContext: { namespaceOptions } } });
    expect(await bed.runtime.podSandboxStatus(sandbox.id, signal)).toMatchObject({ state: 'ready', ips: [] });
    await configure();
    await waitFor('readiness', networkReady, { timeoutMs: 20_000 });
  });

  /** Docker's policy is to drop what it forwards; on a real node the owner accepts the bridge. */
  async function acceptBridge(verb: string): Promise<void> {
    for (const direction of ['-i', '-o']) await inNode('iptables', '--wait', verb, 'DOCKER-USER', direction, BRIDGE, '-j', 'ACCEPT');
  }

  async function leftovers(ip: string): Promise<{ interfaces: number; rules: boolean; leases: number; results: number }> {
    const links = await inNode('ip', '-o', 'link', 'show', 'master', BRIDGE);
    return {
      interfaces: links.split('\n').filter((line) => line !== '').length,
      rules: (await inNode('iptables-save')).includes(`${ip}:`),
      leases: (await readdir(path.join(leaseDir(), 'contract'))).filter((name) => /^\d/.test(name)).length,
      results: (await readdir(path.join(cacheDir, 'results'))).length,
    };
  }

  async function stateOf(sandboxId: string): Promise<{ ips: string[]; details: unknown }> {
    const file = path.join(settingsOn(testBed).rootDirectory, 'sandbox', sandboxId);
    const envelope = JSON.parse(await readFile(file, 'utf8')) as { data: string };
    return (JSON.parse(envelope.data) as { network: { ips: string[]; details: unknown } }).network;
  }
});
