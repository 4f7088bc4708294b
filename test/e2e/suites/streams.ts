import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../../cluster/wait.ts';
import { BUSYBOX, NGINX, podOf, script, type Cluster, type Namespace } from '../cluster.ts';

/** kubectl's streams, once over WebSocket (as kubectl prefers) and once over SPDY. */
export function streamsSuite(cluster: () => Cluster): void {
  describe.each([
    ['WebSocket', {}],
    ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
  ])('over %s, kubectl', (_protocol, variables) => {
    const env = { ...process.env, ...variables };
    const folder = mkdtempSync(path.join(tmpdir(), 'shorelet-e2e-'));
    let ns: Namespace;
    beforeAll(async () => {
      ns = await cluster().namespace();
      await ns.create(
        podOf('box'),
        podOf('web', {}, { containers: [{ name: 'web', image: NGINX, ports: [{ containerPort: 80 }] }] }),
        podOf('echo', { command: ['sh', '-c', 'echo ready; exec cat'], stdin: true, stdinOnce: false }),
      );
      await Promise.all(['box', 'web', 'echo'].map((name) => ns.untilReady(name)));
    });
    afterAll(async () => {
      rmSync(folder, { recursive: true });
      await ns.remove();
    });

    test('exec answers output, errors and exit codes apart', async () => {
      const result = await ns.try(['exec', 'box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 9'], { env });
      expect(result.stdout).toBe('out\n');
      expect(result.stderr).toMatch(/^err\n/);
      expect(result.code).toBe(9);
    });

    test('exec -i passes standard input and its end', async () => {
      expect(await ns.kubectl(['exec', '-i', 'box', '--', 'sh', '-c', 'cat; echo end'], { env, input: 'one\ntwo\n' })).toBe(
        'one\ntwo\nend\n',
      );
    });

    test('exec says when there is no such command, container or pod', async () => {
      const missing = await ns.try(['exec', 'box', '--', 'no-such-command'], { env });
      expect(missing.stdout + missing.stderr).toContain('no-such-command');
      expect(missing.code).not.toBe(0);
      expect((await ns.try(['exec', 'box', '-c', 'nope', '--', 'true'], { env })).stderr).toContain('nope');
      expect((await ns.try(['exec', 'nope', '--', 'true'], { env })).stderr).toContain('not found');
    });

    test('exec -it gives a terminal that has the size of ours', async () => {
      const kubectl = `${cluster().bed.controlPlane.kubectlPath} --kubeconfig ${cluster().bed.controlPlane.adminKubeconfig}`;
      const command = `stty cols 101 rows 37; ${kubectl} exec -n ${ns.name} -it box -- sh -c 'sleep 1; stty size; tty'`;
      const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      await once(child, 'exit');
      expect(text).toContain('37 101');
      expect(text).toContain('/dev/pts/0');
    });

    test('cp copies megabytes both ways, byte for byte', async () => {
      const [there, back] = [path.join(folder, 'there'), path.join(folder, 'back')];
      const content = randomBytes(5_000_000);
      writeFileSync(there, content);
      await ns.kubectl(['cp', there, `${ns.name}/box:/tmp/file`], { env });
      await ns.kubectl(['cp', `${ns.name}/box:/tmp/file`, back], { env });
      expect(readFileSync(back).equals(content)).toBe(true);
    });

    test('attach joins the main process', async () => {
      const kubectl = cluster().bed.controlPlane.kubectlPath;
      const child = spawn(kubectl, ['--kubeconfig', cluster().bed.controlPlane.adminKubeconfig, '-n', ns.name, 'attach', '-i', 'echo'], {
        env,
      });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      // What is written before the engine has joined the streams is lost, so it is said until it is heard.
      await waitFor(
        'the container to answer through attach',
        () => {
          child.stdin.write('hello through attach\n');
          return text.includes('hello through attach');
        },
        { timeoutMs: 20_000, intervalMs: 300 },
      );
      child.kill();
      await once(child, 'exit');
      expect(await ns.kubectl(['logs', 'echo'])).toContain('hello through attach');
    });

    test('port-forward carries many requests at once', async () => {
      const kubectl = cluster().bed.controlPlane.kubectlPath;
      const child = spawn(
        kubectl,
        ['--kubeconfig', cluster().bed.controlPlane.adminKubeconfig, '-n', ns.name, 'port-forward', 'pod/web', ':80'],
        { env },
      );
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const port = await waitFor('a local port', () => /127\.0\.0\.1:(\d+)/.exec(text)?.[1], { timeoutMs: 20_000, explain: () => text });
      const pages = await Promise.all(Array.from({ length: 20 }, async () => await (await fetch(`http://127.0.0.1:${port}/`)).text()));
      expect(pages.every((page) => page.includes('Welcome to nginx'))).toBe(true);
      child.kill();
      await once(child, 'exit');
    });

    test('run -i --rm starts a pod, talks to it and removes it', async () => {
      const output = await ns.kubectl(['run', 'runner', '-i', '--rm', '--restart=Never', `--image=${BUSYBOX}`, '--', 'cat'], {
        env,
        input: 'through run\n',
      });
      expect(output).toContain('through run');
      await ns.untilGone('runner');
    });

    test('debug adds a container that sees the processes of another', async () => {
      await ns.kubectl(
        ['debug', 'box', `--image=${BUSYBOX}`, '--target=main', '--container=dbg', '--', 'sh', '-c', 'ps | grep sleep; sleep infinity'],
        { env },
      );
      await ns.until(
        'box',
        'to have its ephemeral container running',
        (status) => status.ephemeralContainerStatuses?.[0]?.state?.running !== undefined,
      );
      await waitFor(
        'the processes of the other container',
        async () => (await ns.kubectl(['logs', 'box', '-c', 'dbg'])).includes('sleep infinity'),
        {
          timeoutMs: 20_000,
        },
      );
    });
  });

  describe('kubectl logs', () => {
    test('understands every option', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('talk', script('i=1; while [ $i -le 100 ]; do echo line $i; i=$((i+1)); done', 'sleep infinity')));
      await ns.untilReady('talk');
      await waitFor('all lines', async () => (await ns.kubectl(['logs', 'talk'])).split('\n').length === 101, { timeoutMs: 20_000 });
      expect(await ns.kubectl(['logs', 'talk', '--tail=2'])).toBe('line 99\nline 100\n');
      expect(await ns.kubectl(['logs', 'talk', '--limit-bytes=9'])).toBe('line 1\nli');
      expect(await ns.kubectl(['logs', 'talk', '--tail=1', '--timestamps'])).toMatch(
        /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) line 100\n$/,
      );
      expect((await ns.kubectl(['logs', 'talk', '--since=1h'])).split('\n')).toHaveLength(101);
      expect(await ns.kubectl(['logs', 'talk', `--since-time=${new Date(Date.now() + 60_000).toISOString()}`])).toBe('');
      await ns.remove();
    });

    test('follows until the container ends, and shows the one before', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('again', script('for i in 1 2 3; do echo tick $i; sleep 0.3; done', 'echo bye; exit 1')));
      await ns.until('again', 'to have been restarted', (status) => (status.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
      expect(await ns.kubectl(['logs', 'again', '--previous'])).toBe('tick 1\ntick 2\ntick 3\nbye\n');
      await ns.create(podOf('ends', script('for i in 1 2 3 4 5; do echo tick $i; sleep 0.3; done'), { restartPolicy: 'Never' }));
      await ns.until('ends', 'to run', (status) => status.phase === 'Running' || status.phase === 'Succeeded');
      expect(await ns.kubectl(['logs', '-f', 'ends'])).toBe('tick 1\ntick 2\ntick 3\ntick 4\ntick 5\n');
      await ns.remove();
    });

    test('says what a container waits for that has no log yet', async () => {
      const ns = await cluster().namespace();
      await ns.create(podOf('waiting', { image: 'registry.k8s.io/none:1', imagePullPolicy: 'Never' }));
      await ns.until('waiting', 'to wait', (status) => status.containerStatuses?.[0]?.state?.waiting?.reason === 'ErrImageNeverPull');
      const { stderr, code } = await ns.try(['logs', 'waiting']);
      expect(code).not.toBe(0);
      expect(stderr).toContain('container "main" in pod "waiting" is waiting to start: ErrImageNeverPull');
      await ns.remove();
    });
  });
}
