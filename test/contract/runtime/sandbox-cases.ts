import { expect } from 'vitest';
import { errorCode } from '../../../src/lib/errors.ts';
import { podNamespaces, type ContractCase } from './bed.ts';

const rejectionCode = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'resolved', errorCode);

export const sandboxCases: readonly ContractCase[] = [
  {
    title: 'a sandbox that was run is ready, has an address and says what it was given',
    run: async (bed) => {
      const before = BigInt(Date.now()) * 1_000_000n;
      const annotations = { 'example.com/a': 'with "quotes"\nand lines', 'annotation.x': 'y' };
      const labels = { 'io.kubernetes.pod.name': 'p', 'annotation.z': 'w', 'shorelet.io/instance': 'somebody else' };
      const { id, config } = await bed.sandbox({ labels, annotations });
      const status = await bed.runtime.podSandboxStatus(id, bed.signal);
      expect(status).toMatchObject({ id, metadata: config.metadata, state: 'ready', runtimeHandler: '', namespaceOptions: podNamespaces });
      expect(status.labels).toEqual(labels);
      expect(status.annotations).toEqual(annotations);
      expect(status.ips[0]).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      expect(status.createdAt).toBeGreaterThan(before - 1_000_000_000n);
    },
  },
  {
    title: 'containers share the address, the host name and the DNS of their sandbox',
    run: async (bed) => {
      const dnsConfig = { servers: ['192.0.2.53', '192.0.2.54'], searches: ['a.example', 'b.example'], options: ['ndots:5', 'timeout:1'] };
      const sandbox = await bed.sandbox({ hostname: 'my-host', dnsConfig });
      const { ips } = await bed.runtime.podSandboxStatus(sandbox.id, bed.signal);
      const output = await bed.output(sandbox, 'hostname; cat /etc/resolv.conf; ip -o -4 addr show eth0');
      expect(output.split('\n').slice(0, 5)).toEqual([
        'my-host',
        'nameserver 192.0.2.53',
        'nameserver 192.0.2.54',
        'search a.example b.example',
        'options ndots:5 timeout:1',
      ]);
      expect(output).toContain(`inet ${ips[0] ?? 'none'}/`);
    },
  },
  {
    title: 'containers can be created while their sandbox starts',
    run: async (bed) => {
      const config = bed.sandboxConfig();
      const prepared = await bed.runtime.prepareSandbox?.(config, '', bed.signal);
      if (prepared === undefined) return;
      bed.removeLater(prepared.id);
      expect((await bed.runtime.podSandboxStatus(prepared.id, bed.signal)).state).toBe('notready');
      const starting = prepared.start(bed.signal);
      const id = await bed.create({ id: prepared.id, config }, 'echo here; sleep 60');
      await starting;
      expect((await bed.runtime.podSandboxStatus(prepared.id, bed.signal)).state).toBe('ready');
      await bed.runtime.startContainer(id, bed.signal);
      expect((await bed.runtime.containerStatus(id, bed.signal)).state).toBe('running');
    },
  },
  {
    title: 'a sandbox on the host network has no address of its own and the name of the host',
    run: async (bed) => {
      const namespaceOptions = { ...podNamespaces, network: 'node' } as const;
      const sandbox = await bed.sandbox({ hostname: 'ignored', linux: { securityContext: { namespaceOptions } } });
      const status = await bed.runtime.podSandboxStatus(sandbox.id, bed.signal);
      expect(status.ips).toEqual([]);
      expect(status.namespaceOptions.network).toBe('node');
      const name = await bed.output(sandbox, 'hostname', { linux: { securityContext: { namespaceOptions } } });
      expect(name).not.toBe('ignored');
    },
  },
  {
    title: 'sysctls hold in the sandbox',
    run: async (bed) => {
      const sandbox = await bed.sandbox({ linux: { sysctls: { 'net.ipv4.ip_unprivileged_port_start': '77' } } });
      expect(await bed.output(sandbox, 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('77');
    },
  },
  {
    title: 'lists by id, state and labels',
    run: async (bed) => {
      const [a, b] = [await bed.sandbox({ labels: { app: 'a', run: 'x' } }), await bed.sandbox({ labels: { app: 'b', run: 'x' } })];
      await bed.runtime.stopPodSandbox(b.id, bed.signal);
      const ids = async (filter: Parameters<typeof bed.runtime.listPodSandbox>[0]): Promise<string[]> =>
        (await bed.runtime.listPodSandbox(filter, bed.signal))
          .map((one) => one.id)
          .filter((id) => id === a.id || id === b.id)
          .sort();
      expect(await ids({})).toEqual([a.id, b.id].sort());
      expect(await ids({ id: a.id })).toEqual([a.id]);
      expect(await ids({ state: 'ready' })).toEqual([a.id]);
      expect(await ids({ state: 'notready' })).toEqual([b.id]);
      expect(await ids({ labelSelector: { run: 'x' } })).toEqual([a.id, b.id].sort());
      expect(await ids({ labelSelector: { run: 'x', app: 'b' } })).toEqual([b.id]);
      expect(await ids({ labelSelector: { app: 'c' } })).toEqual([]);
    },
  },
  {
    title: 'stopping ends the containers and the address, may be repeated, and keeps the record',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'trap "" TERM; while :; do sleep 1; done');
      await bed.runtime.stopPodSandbox(sandbox.id, bed.signal);
      const status = await bed.runtime.podSandboxStatus(sandbox.id, bed.signal);
      expect(status.state).toBe('notready');
      expect(status.metadata).toEqual(sandbox.config.metadata);
      expect(await bed.runtime.containerStatus(id, bed.signal)).toMatchObject({ state: 'exited', exitCode: 137, reason: 'Error' });
      await bed.runtime.stopPodSandbox(sandbox.id, bed.signal);
    },
  },
  {
    title: 'removing takes the containers along, running ones too, and may be repeated',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'sleep 600');
      await bed.runtime.removePodSandbox(sandbox.id, bed.signal);
      expect(await rejectionCode(bed.runtime.podSandboxStatus(sandbox.id, bed.signal))).toBe('NotFound');
      expect(await rejectionCode(bed.runtime.containerStatus(id, bed.signal))).toBe('NotFound');
      expect(await bed.runtime.listContainers({ podSandboxId: sandbox.id }, bed.signal)).toEqual([]);
      await bed.runtime.removePodSandbox(sandbox.id, bed.signal);
      await bed.runtime.stopPodSandbox(sandbox.id, bed.signal);
    },
  },
  {
    title: 'what never existed is NotFound for questions and success for stopping and removing',
    run: async ({ runtime, signal }) => {
      const id = 'f'.repeat(64);
      expect(await rejectionCode(runtime.podSandboxStatus(id, signal))).toBe('NotFound');
      await runtime.stopPodSandbox(id, signal);
      await runtime.removePodSandbox(id, signal);
    },
  },
  {
    title: 'an unknown runtime handler is refused by its name',
    run: async (bed) => {
      await expect(bed.runtime.runPodSandbox(bed.sandboxConfig(), 'no-such-handler', bed.signal)).rejects.toThrow('no-such-handler');
    },
  },
  {
    title: 'a second attempt lives beside the first',
    run: async (bed) => {
      const first = await bed.sandbox();
      await bed.runtime.stopPodSandbox(first.id, bed.signal);
      const second = await bed.sandbox({ metadata: { ...first.config.metadata, attempt: 1 }, labels: first.config.labels });
      const found = await bed.runtime.listPodSandbox({ labelSelector: first.config.labels }, bed.signal);
      expect(found.map((one) => [one.id, one.metadata.attempt, one.state])).toEqual(
        expect.arrayContaining([
          [first.id, 0, 'notready'],
          [second.id, 1, 'ready'],
        ]),
      );
    },
  },
];
