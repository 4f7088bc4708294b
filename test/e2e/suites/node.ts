import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../cluster/wait.ts';
import type { Cluster } from '../cluster.ts';

/** The Node object: registration, facts of the machine, conditions, lease. */
export function nodeSuite(cluster: () => Cluster): void {
  describe('the node', () => {
    test('has the capacity of the machine, and no more allocatable than that', async () => {
      const { status } = await cluster().nodeObject();
      const memoryKi = /MemTotal:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
      expect(status?.capacity).toMatchObject({ cpu: String(cpus().length), memory: `${memoryKi}Ki`, pods: '110' });
      expect(Object.keys(status?.allocatable ?? {}).sort()).toEqual(Object.keys(status?.capacity ?? {}).sort());
      expect(status?.capacity?.['ephemeral-storage']).toMatch(/^\d+/);
      expect(Number.parseInt(status?.allocatable?.['memory'] ?? '')).toBeLessThan(Number(memoryKi));
    });

    test('says what it is: addresses, versions, runtime, port', async () => {
      const { status } = await cluster().nodeObject();
      expect(status?.addresses).toContainEqual({ type: 'InternalIP', address: cluster().bed.node.address });
      expect(status?.addresses).toContainEqual({ type: 'Hostname', address: cluster().node.name });
      expect(status?.nodeInfo).toMatchObject({ operatingSystem: 'linux', architecture: 'amd64' });
      expect(status?.nodeInfo?.kubeletVersion).toMatch(/^v1\.37\.2\+shorelet\.\d+\.\d+\.\d+$/);
      expect(status?.nodeInfo?.containerRuntimeVersion).toMatch(/^docker:\/\/\d+\.\d+/);
      expect(status?.nodeInfo?.kernelVersion).toBe(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
      expect(status?.nodeInfo?.osImage).toContain('Debian');
      expect(status?.daemonEndpoints?.kubeletEndpoint?.Port).toBe(10250);
      expect(status?.declaredFeatures).toContain('ExtendWebSocketsToKubelet');
    });

    test('reports its conditions in the words of a kubelet', async () => {
      const conditions = (await cluster().nodeObject()).status?.conditions ?? [];
      const brief = Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
      expect(brief).toMatchObject({
        Ready: 'True KubeletReady',
        MemoryPressure: 'False KubeletHasSufficientMemory',
        DiskPressure: 'False KubeletHasNoDiskPressure',
        PIDPressure: 'False KubeletHasSufficientPID',
      });
      expect(brief['NetworkUnavailable'] ?? 'False').toMatch(/^False/);
    });

    test('has the labels that schedulers and people look for', async () => {
      const { labels } = (await cluster().nodeObject()).metadata;
      expect(labels).toMatchObject({
        'kubernetes.io/hostname': cluster().node.name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
      });
    });

    test('renews its lease', async () => {
      const renewed = async (): Promise<string> =>
        await cluster().kubectl(['get', 'lease', '-n', 'kube-node-lease', cluster().node.name, '-o=jsonpath={.spec.renewTime}']);
      const before = await renewed();
      await waitFor('the lease to be renewed', async () => (await renewed()) !== before, { timeoutMs: 20_000 });
    });

    test('lists its images', async () => {
      const names = (await cluster().nodeObject()).status?.images?.flatMap((image) => image.names ?? []) ?? [];
      expect(names).toContain('registry.k8s.io/pause:3.10.2');
    });

    test('keeps labels, annotations and extended resources that others put on it', async () => {
      const { name } = cluster().node;
      await cluster().kubectl(['label', 'node', name, 'example.com/rack=r7']);
      await cluster().kubectl(['annotate', 'node', name, 'example.com/owner=jane']);
      const patch = JSON.stringify([{ op: 'add', path: '/status/capacity/example.com~1dongle', value: '4' }]);
      await cluster().kubectl(['patch', 'node', name, '--subresource=status', '--type=json', `-p=${patch}`]);
      await waitFor(
        'allocatable to follow the extended resource',
        async () => (await cluster().nodeObject()).status?.allocatable?.['example.com/dongle'] === '4',
        { timeoutMs: 30_000 },
      );
      await cluster().node.agent.restart();
      await cluster().node.ready();
      const { metadata, status } = await cluster().nodeObject();
      expect(metadata.labels).toMatchObject({ 'example.com/rack': 'r7' });
      expect(metadata.annotations).toMatchObject({ 'example.com/owner': 'jane' });
      expect(status?.capacity).toMatchObject({ 'example.com/dongle': '4' });
    });

    test('answers /healthz and refuses strangers', async () => {
      const healthz = ['get', '--raw', `/api/v1/nodes/${cluster().node.name}/proxy/healthz`];
      await waitFor('/healthz to be ok', async () => (await cluster().try(healthz)).stdout === 'ok', { timeoutMs: 10_000 });
      const port = `https://${cluster().bed.node.address}:10250`;
      const answer = async (path: string): Promise<number> => {
        const { request } = await import('node:https');
        return await new Promise((resolve, reject) => {
          const call = request(`${port}${path}`, { rejectUnauthorized: false }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          call.on('error', reject);
          call.end();
        });
      };
      expect(await answer('/pods')).toBe(401);
      expect(await answer('/exec/default/x/y?command=id&output=1')).toBe(401);
    });
  });
}
