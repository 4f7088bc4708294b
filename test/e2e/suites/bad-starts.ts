import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createAgent, type AgentProcess } from '../../cluster/agent-process.ts';
import { kubeconfig } from '../../cluster/certificates.ts';
import { startEngine } from '../../cluster/engine.ts';
import { kubeletConfiguration } from '../../cluster/kubelet-configuration.ts';
import { createNode, type TestNode } from '../../cluster/node.ts';
import { run, type RunResult } from '../../cluster/run.ts';
import { createShoreletNode, launcher } from '../../cluster/shorelet-node.ts';
import { waitFor } from '../../cluster/wait.ts';
import type { Cluster } from '../cluster.ts';

/** Starts that cannot succeed, or not yet: configuration, root directory, engine, API server. */
export function badStartsSuite(cluster: () => Cluster): void {
  describe('a configuration that is not valid', () => {
    test.each([
      ['a wrong type', { maxPods: 'many' }, /maxPods \(.*bad\.yaml\): expected a whole number.*found "many"/],
      ['an unknown field', { maxPod: 5 }, /maxPod .*: expected .*found.*maxPods/],
      [
        'a nested field',
        { authentication: { webhook: { cacheTTL: 'soon' } } },
        /authentication\.webhook\.cacheTTL .*expected .*found "soon"/,
      ],
      ['two fields that do not fit', { imageGCLowThresholdPercent: 90 }, /imageGCLowThresholdPercent.*expected less than.*found 90/],
    ])('with %s ends with exit code 2 and names what is wrong', async (_what, fields, message) => {
      const folder = await mkdtemp(path.join(tmpdir(), 'shorelet-e2e-'));
      const file = path.join(folder, 'bad.yaml');
      await writeFile(file, JSON.stringify({ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', ...fields }));
      const { code, stderr } = await shorelet(cluster().bed.node, 'run', '--config', file, '--root-dir', path.join(folder, 'root'));
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
      expect(await readdir(folder)).toEqual(['bad.yaml']);
      await rm(folder, { recursive: true });
    });

    test('in a flag, a missing file, a missing kubeconfig: the same', async () => {
      const { node } = cluster().bed;
      const root = path.join(node.dir, 'unused');
      const flag = await shorelet(node, 'run', '--max-pods', 'many', '--root-dir', root);
      expect([flag.code, flag.stderr]).toEqual([2, expect.stringMatching(/maxPods \(--max-pods\): expected a whole number; found "many"/)]);
      const file = await shorelet(node, 'run', '--config', '/nowhere/kubelet.yaml', '--root-dir', root);
      expect([file.code, file.stderr]).toEqual([2, expect.stringContaining('/nowhere/kubelet.yaml')]);
      const access = await shorelet(node, 'run', '--kubeconfig', '/nowhere/kubeconfig', '--fail-cgroupv1=false', '--root-dir', root);
      expect([access.code, access.stdout + access.stderr]).toEqual([2, expect.stringContaining('/nowhere/kubeconfig')]);
      expect((await shorelet(node, 'run', '--no-such-flag')).code).toBe(2);
    });
  });

  test('a second agent on the same root directory is refused, and the first does not mind', async () => {
    const { agent } = cluster().node;
    const { pid } = agent;
    const twin = await createAgent(cluster().bed.node, {
      name: 'twin',
      command: [launcher, 'run'],
      kubeconfig: await cluster().bed.controlPlane.nodeKubeconfig('twin'),
      config: [await kubeletConfiguration(cluster().bed.node, cluster().bed.controlPlane, 'twin', { port: 10_350, healthzPort: 0 })],
      rootDir: agent.rootDir,
      args: ['--node-name', 'twin', '--docker-endpoint', cluster().bed.engine.host],
    });
    await twin.start();
    await waitFor('the second agent to end', () => !twin.running, { timeoutMs: 15_000 });
    expect(await twin.log()).toContain(`another Shorelet uses the root directory ${agent.rootDir}`);
    expect(agent.pid).toBe(pid);
    expect((await cluster().try(['get', 'node', 'twin'])).stderr).toContain('NotFound');
  });

  test('an engine that is not there yet is waited for, and the node says so', async () => {
    const machine = await createNode(cluster().bed.slot, 1);
    const late = await createShoreletNode(cluster().bed, {
      nodeName: 'late',
      machine,
      dockerEndpoint: `unix://${path.join(machine.runDir, 'docker.sock')}`,
      args: ['--register-with-taints', 'test=late:NoSchedule'],
    });
    await late.agent.start();
    const ready = async (): Promise<string> =>
      (await cluster().try(['get', 'node', 'late', '-o=jsonpath={.status.conditions[?(@.type=="Ready")]}'])).stdout;
    await waitFor(
      'the node to say what it waits for',
      async () => /"status":"False"/.test(await ready()) && /container runtime/.test(await ready()),
      {
        timeoutMs: 20_000,
        explain: ready,
      },
    );
    expect(await ready()).toContain('"reason":"KubeletNotReady"');
    await pause(6_000);
    const waiting = linesOf(await late.agent.log()).filter((line) => /docker|engine/i.test(line) && /warn|error/i.test(line));
    expect(new Set(waiting.map((line) => line.slice(24, 70))).size, waiting.join('\n')).toBe(waiting.length); // each who asks says it once
    await startEngine(machine);
    await late.ready();
    await late.agent.stop();
    await cluster().kubectl(['delete', 'node', 'late']);
  });

  describe.concurrent('an API server that refuses', () => {
    const refused = async (name: string, port: number, text: string): Promise<AgentProcess> => {
      const { node, controlPlane, engine } = cluster().bed;
      const file = path.join(node.dir, `${name}.kubeconfig`);
      await writeFile(file, text);
      return await createAgent(node, {
        name,
        command: [launcher, 'run'],
        kubeconfig: file,
        config: [
          await kubeletConfiguration(node, controlPlane, name, { port, healthzPort: 0, podLogsDir: path.join(node.dir, name, 'pod-logs') }),
        ],
        args: ['--node-name', name, '--docker-endpoint', engine.host, '--node-ip', node.address],
      });
    };
    /** Warnings and errors of its log that tell of the API server. */
    const complaints = async (agent: AgentProcess): Promise<string[]> =>
      linesOf(await agent.log()).filter((line) => /warn|error/i.test(line) && /api server|forbidden|unauthorized|certificate/i.test(line));

    test.each([
      ['the wrong authority', 'wrong-ca', 10_351, 'The TLS connection to the API server is refused'],
      ['a token it does not know (401)', 'no-token', 10_352, 'does not accept our credentials'],
    ])('%s is asked again for ever, with one line a change', async (_what, name, port, message) => {
      const { controlPlane } = cluster().bed;
      const other = await controlPlane.certificate({ name: 'other-ca', commonName: 'other', issuer: 'front-proxy-ca' });
      const tokenFile = path.join(cluster().bed.node.dir, `${name}.token`);
      await writeFile(tokenFile, 'unknown.token');
      const ca = name === 'wrong-ca' ? other.certificate : controlPlane.caFile;
      const agent = await refused(name, port, kubeconfig(controlPlane.server, ca, { tokenFile }));
      await agent.start();
      await agent.waitForLog(new RegExp(message));
      await pause(12_000);
      expect(agent.running).toBe(true);
      const seen = await complaints(agent);
      expect(seen.filter((line) => line.includes(message))).toHaveLength(1);
      expect(seen.length, seen.join('\n')).toBeLessThanOrEqual(3); // the node and its first event may say what it means to them
      expect(linesOf(await agent.log()).length).toBeLessThan(25);
      await agent.stop();
    });

    test('everything for want of rights (403) is asked again, and the node joins once it may', async () => {
      const { controlPlane } = cluster().bed;
      const ns = await cluster().namespace();
      await ns.kubectl(['create', 'serviceaccount', 'node']);
      const token = (await ns.kubectl(['create', 'token', 'node'])).trim();
      const agent = await refused('no-rights', 10_353, kubeconfig(controlPlane.server, controlPlane.caFile, { token }));
      await agent.start();
      await agent.waitForLog(/forbidden/i);
      await pause(12_000);
      expect(agent.running).toBe(true);
      const seen = await complaints(agent);
      expect(seen.length, seen.join('\n')).toBeLessThanOrEqual(8); // each kind of object may be refused for itself, once
      await cluster().kubectl([
        'create',
        'clusterrolebinding',
        'no-rights',
        '--clusterrole=cluster-admin',
        `--serviceaccount=${ns.name}:node`,
      ]);
      await waitFor('the node to join', async () => (await cluster().try(['get', 'node', 'no-rights'])).code === 0, { timeoutMs: 60_000 });
      await agent.stop();
      await cluster().kubectl(['delete', 'clusterrolebinding', 'no-rights']);
      await cluster().kubectl(['delete', 'node', 'no-rights']);
      await ns.remove();
    });
  });
}

/** The built program as a person would call it on the node. */
async function shorelet(node: TestNode, ...args: readonly string[]): Promise<RunResult> {
  return await run([...node.enter, launcher, ...args], { anyExit: true, timeoutMs: 30_000 });
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
