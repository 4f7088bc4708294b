import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { startEngine } from '../../cluster/engine.ts';
import { loadImages } from '../../cluster/images.ts';
import { createNode, type TestNode } from '../../cluster/node.ts';
import { run } from '../../cluster/run.ts';
import { createShoreletNode } from '../../cluster/shorelet-node.ts';
import { BUSYBOX, podOf, type Cluster } from '../cluster.ts';

/** What goes wrong around a node that runs: pods, callers, the disk, neighbours on the engine. */
export function badDaysSuite(cluster: () => Cluster): void {
  describe('a pod that this node cannot run', () => {
    test('says so as a kubelet would, and disturbs no other', async () => {
      const ns = await cluster().namespace();
      const nodeName = cluster().node.name;
      await ns.create(podOf('bystander'));
      const before = await ns.untilReady('bystander');
      const foreign = await foreignListener(cluster().bed.node, 18_181);
      await cluster().bed.controlPlane.apply([
        { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'nonesuch' }, handler: 'nonesuch' },
      ]);
      const volume = (source: object): object => ({ volumes: [{ name: 'v', ...source }] });
      const mounted = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
      const port = (hostPort: number): object => ({ ports: [{ containerPort: 80, hostPort }] });
      await ns.create(
        podOf('host-path', mounted, volume({ hostPath: { path: '/etc/passwd', type: 'Directory' } })),
        podOf('no-secret', mounted, volume({ secret: { secretName: 'nope' } })),
        podOf('no-env', { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'nope', key: 'k' } } }] }),
        podOf('no-class', {}, { runtimeClassName: 'nonesuch' }),
        podOf('port-owner', port(18_180), { nodeName }),
        podOf('port-foreign', port(18_181), { nodeName }),
        podOf('no-command', { command: ['/no/such/program'] }),
        podOf('no-image', { image: '127.0.0.1:1/none:1' }),
      );
      await ns.untilReady('port-owner');
      await ns.create(
        podOf('port-taken', port(18_180), { nodeName }),
        podOf('too-big', { resources: { requests: { cpu: '500' } } }, { nodeName }),
      );
      const waits = (name: string, reason: string): Promise<unknown> =>
        ns.until(name, `to wait with ${reason}`, (status) => status.containerStatuses?.[0]?.state?.waiting?.reason === reason);
      const [taken, big] = await Promise.all([
        ns.untilPhase('port-taken', 'Failed'),
        ns.untilPhase('too-big', 'Failed'),
        ns.untilEvent('host-path', 'FailedMount', 'hostPath type check failed: /etc/passwd is not a directory'),
        ns.untilEvent('no-secret', 'FailedMount', 'MountVolume.SetUp failed for volume "v" : secret "nope" not found'),
        waits('host-path', 'ContainerCreating'),
        waits('no-secret', 'ContainerCreating'),
        waits('no-env', 'CreateContainerConfigError'),
        ns.untilEvent('no-env', 'Failed', 'secret "nope" not found'),
        waits('no-class', 'ContainerCreating'),
        ns.untilEvent('no-class', 'FailedCreatePodSandBox', 'nonesuch'),
        ns.untilEvent('port-foreign', 'FailedCreatePodSandBox', '18181'),
        ns.untilEvent('no-command', 'Failed', '/no/such/program'),
        ns.untilEvent('no-image', 'Failed', 'Failed to pull image "127.0.0.1:1/none:1"'),
      ]);
      expect(taken.status).toMatchObject({
        reason: 'NodePorts',
        message: expect.stringMatching(/^Pod was rejected: .*NodePorts/) as string,
      });
      expect(big.status).toMatchObject({ reason: 'OutOfcpu', message: expect.stringMatching(/^Pod was rejected: .*cpu/) as string });
      expect((await ns.pod('no-command')).status?.containerStatuses?.[0]?.lastState?.terminated?.reason ?? 'ContainerCannotRun').toMatch(
        /ContainerCannotRun|StartError/,
      );

      foreign.kill();
      await once(foreign, 'exit');
      await ns.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'nope' }, stringData: { k: 'v' } });
      await Promise.all(['no-secret', 'no-env', 'port-foreign'].map((name) => ns.untilReady(name, 90_000)));
      expect((await ns.pod('bystander')).status).toEqual(before.status);
      expect((await ns.pod('port-owner')).status?.containerStatuses?.[0]?.restartCount).toBe(0);
      await ns.kubectl(['delete', 'pod', '--all']);
      await cluster().kubectl(['delete', 'runtimeclass', 'nonesuch']);
      await ns.remove();
    });
  });

  describe('malformed requests', () => {
    test('to the HTTPS port never end the process', async () => {
      const { agent } = cluster().node;
      const { pid } = agent;
      const host = cluster().bed.node.address;
      const plain = (text: string | Buffer): Promise<void> => talk(connect(10_250, host), text);
      const tls = (text: string | Buffer): Promise<void> => talk(connectTls({ host, port: 10_250, rejectUnauthorized: false }), text);
      const upgrade = (route: string, ...headers: string[]): string =>
        [`POST ${route} HTTP/1.1`, `Host: ${host}`, 'Connection: Upgrade', ...headers, '', ''].join('\r\n');
      const garbage = Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7919) % 256));
      await Promise.all([
        plain(garbage),
        plain('GET / HTTP/1.1\r\n\r\n'),
        tls(garbage),
        tls('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        tls(`GET /pods HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(1_000_000)}\r\n\r\n`),
        tls(`GET /${'a'.repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
        tls('POST /exec/a/b/c HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n'),
        tls('POST /run/a/b/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n'),
        tls('GET /containerLogs/%ff%fe/%00/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n'),
        tls(upgrade('/exec/a/b/c?command=id', 'Upgrade: SPDY/3.1')),
        tls(upgrade('/exec/a/b/c?command=id', 'Upgrade: websocket')),
        tls(upgrade('/attach/%zz/b/c', 'Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: nonsense')),
        tls(upgrade('/portForward/a/b', 'Upgrade: nonsense')),
        ...Array.from({ length: 100 }, () => tls('GET /healthz HTTP/1.1\r\nHost')),
      ]);
      // The same from somebody who may: what comes after the upgrade is nonsense, or nothing.
      const ns = await cluster().namespace();
      await ns.create(podOf('target'));
      await ns.untilReady('target');
      const { certificate, key } = await cluster().bed.controlPlane.certificate({
        name: 'streamer',
        commonName: 'streamer',
        organization: ['system:masters'],
        client: true,
      });
      const [cert, keyText] = [await readFile(certificate), await readFile(key)];
      const trusted = (text: string, then: Buffer): Promise<void> =>
        talk(connectTls({ host, port: 10_250, cert, key: keyText, rejectUnauthorized: false }), text, then);
      const routes = [
        `/exec/${ns.name}/target/main?command=cat&input=1&output=1`,
        `/attach/${ns.name}/target/main?output=1`,
        `/portForward/${ns.name}/target`,
      ];
      const spdy = ['Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v4.channel.k8s.io'];
      const socket = [
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Protocol: v5.channel.k8s.io',
      ];
      await Promise.all(
        routes.flatMap((route) => [
          trusted(upgrade(route, ...spdy), garbage),
          trusted(upgrade(route, ...spdy), Buffer.alloc(0)),
          trusted(upgrade(route, ...socket).replace('POST', 'GET'), garbage),
          trusted(upgrade(route, ...socket).replace('POST', 'GET'), Buffer.alloc(0)),
          trusted(upgrade(route, 'Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v99.channel.k8s.io'), Buffer.alloc(0)),
        ]),
      );
      expect(agent.pid).toBe(pid);
      expect(agent.running).toBe(true);
      expect(await ns.kubectl(['exec', 'target', '--', 'echo', 'still here'])).toBe('still here\n');
      await ns.remove();
    });
  });

  describe('a disk that is full', () => {
    test('makes the pod that needs it wait with an event; others go on', async () => {
      const { slot } = cluster().bed;
      const machine = await createNode(slot, 2);
      const engine = await startEngine(machine);
      await loadImages(engine.socketPath, ['pause', 'busybox'], { tools: slot.tools, progress: () => undefined, signal: undefined });
      const small = await createShoreletNode(cluster().bed, {
        nodeName: 'small',
        machine,
        dockerEndpoint: engine.host,
        kubelet: {
          evictionHard: { 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%', 'memory.available': '0%' },
        },
        args: ['--register-with-taints', 'test=small:NoSchedule'],
      });
      await run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'small', small.rootDir]);
      try {
        await small.agent.start();
        await small.ready();
        const ns = await cluster().namespace();
        const nodeName = 'small';
        await ns.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'big' }, data: { text: 'x'.repeat(900_000) } });
        const { bavail, bsize } = await statfs(small.rootDir);
        const filler = path.join(small.rootDir, 'filler');
        await writeFile(filler, Buffer.alloc(bavail * bsize - 500_000));
        const volumes = [{ name: 'v', configMap: { name: 'big' } }];
        await ns.create(
          podOf('needs', { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, { nodeName, volumes }),
          podOf('modest', {}, { nodeName }),
        );
        const modest = await ns.untilReady('modest');
        const event = await ns.untilEvent('needs', 'FailedMount', 'MountVolume.SetUp failed for volume "v" : ');
        expect(event.message).toMatch(/no space left on device|ENOSPC/);
        await rm(filler);
        await ns.untilReady('needs', 150_000);
        expect(await ns.kubectl(['exec', 'needs', '--', 'wc', '-c', '/v/text'])).toMatch(/^900000 /);
        expect((await ns.pod('modest')).status?.containerStatuses).toEqual(modest.status?.containerStatuses);
        await ns.kubectl(['delete', 'pod', '--all']);
        await ns.remove();
      } finally {
        await small.agent.stop();
        await engine.removeContainers();
        await cluster().try(['delete', 'node', 'small']);
        await run(['umount', '--lazy', small.rootDir], { anyExit: true });
      }
    }, 240_000);
  });

  describe('what belongs to others on the same engine', () => {
    test('is not touched: by a start, a restart, or cleaning up', async () => {
      const { engine } = cluster().bed;
      const docker = (args: readonly string[]): Promise<string> => engine.docker(args);
      const ns = await cluster().namespace();
      const uid = '11111111-2222-3333-4444-555555555555';
      const labels = (type: string): string[] =>
        Object.entries({
          'io.kubernetes.docker.type': type,
          'io.kubernetes.pod.name': 'foreign',
          'io.kubernetes.pod.namespace': ns.name,
          'io.kubernetes.pod.uid': uid,
          'io.kubernetes.container.name': type === 'podsandbox' ? 'POD' : 'main',
        }).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
      const start = (name: string, type: string, ...command: string[]): Promise<string> =>
        docker(['run', '--detach', '--name', `k8s_${name}_foreign_${ns.name}_${uid}_0`, ...labels(type), BUSYBOX, ...command]);
      await start('POD', 'podsandbox', 'sleep', 'infinity');
      await start('main', 'container', 'sleep', 'infinity');
      await start('dead', 'container', 'true');
      await docker([
        'run',
        '--detach',
        '--name',
        `other-${ns.name}`,
        '--label',
        'shorelet.io/instance=somebody-else',
        ...labels('container'),
        BUSYBOX,
        'sleep',
        'infinity',
      ]);
      await docker(['tag', BUSYBOX, 'example.com/unused:1']);
      const state = async (): Promise<string> => {
        const ids = (await docker(['ps', '-aq', '--filter', `label=io.kubernetes.pod.uid=${uid}`])).split('\n').filter((id) => id !== '');
        return await docker(['inspect', '--format', '{{.Name}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}}', ...ids.sort()]);
      };
      const before = await state();
      expect(before.trim().split('\n')).toHaveLength(4);
      await ns.create(podOf('foreign'), podOf('ours'));
      await Promise.all([ns.untilReady('foreign'), ns.untilReady('ours')]);
      await ns.kubectl(['delete', 'pod', 'ours']);
      await cluster().node.agent.restart();
      await cluster().node.ready();
      await ns.kubectl(['delete', 'pod', 'foreign']);
      await pause(5_000);
      expect(await state()).toBe(before);
      expect(await docker(['images', '--quiet', 'example.com/unused:1'])).not.toBe('');
      await docker(['rmi', 'example.com/unused:1']);
      await ns.remove();
    });
  });
}

/** A process that is no pod's, listening on a port of the node. */
async function foreignListener(node: TestNode, port: number): Promise<ChildProcess> {
  const program = `require('net').createServer().listen(${port}, '0.0.0.0', () => console.log('listening'))`;
  const [file = '', ...args] = [...node.enter, process.execPath, '-e', program];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** Says something, waits a moment for what comes, and hangs up in the middle. */
async function talk(socket: ReturnType<typeof connect>, text: string | Buffer, then?: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.write(text);
    if (then !== undefined) setTimeout(() => socket.write(then), 1_000);
    setTimeout(() => socket.destroy(), 3_000);
  });
}
