import { join } from 'node:path';
import { createAgent, type AgentProcess } from './agent-process.ts';
import type { TestNode } from './node.ts';
import type { TestBed } from './test-bed.ts';
import { waitFor } from './wait.ts';

/** The built program's launcher. */
export const launcher = join(import.meta.dirname, '../../dist/shorelet');

/** Address of the cluster's DNS service, present or not. */
export const clusterDns = '10.96.0.10';

export interface ShoreletNodeOptions {
  readonly nodeName?: string;
  /** Which machine of the test bed; its first unless told. */
  readonly machine?: TestNode;
  /** The engine's socket; the test bed's own engine unless told. */
  readonly dockerEndpoint?: string;
  /** Added to (and over) the fields of the KubeletConfiguration. */
  readonly kubelet?: Readonly<Record<string, unknown>>;
  /** Added to (and over) the fields of the ShoreletConfiguration. */
  readonly shorelet?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A node of the test cluster that the built agent runs. */
export interface ShoreletNode {
  readonly name: string;
  readonly agent: AgentProcess;
  /** Where its pods' directories and logs are. */
  readonly rootDir: string;
  /** Waits until the API server says that the node is Ready. */
  ready(timeoutMs?: number): Promise<void>;
}

/** Makes a node with its own credentials and configuration; the agent is not started yet. */
export async function createShoreletNode(bed: TestBed, options: ShoreletNodeOptions = {}): Promise<ShoreletNode> {
  const { nodeName: name = 'shorelet', machine = bed.node } = options;
  const { controlPlane } = bed;
  const serving = await controlPlane.servingCert(name, [machine.address]);
  const agent = await createAgent(machine, {
    name,
    command: [launcher, 'run'],
    kubeconfig: await controlPlane.nodeKubeconfig(name),
    config: [
      {
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        kind: 'KubeletConfiguration',
        authentication: { x509: { clientCAFile: controlPlane.caFile } },
        tlsCertFile: serving.certificate,
        tlsPrivateKeyFile: serving.key,
        cgroupRoot: machine.cgroupRoot,
        podLogsDir: join(machine.dir, `${name}-logs`, 'pods'),
        clusterDNS: [clusterDns],
        clusterDomain: 'cluster.local',
        healthzPort: 0,
        ...options.kubelet,
      },
      {
        apiVersion: 'shorelet.io/v1alpha1',
        kind: 'ShoreletConfiguration',
        dockerEndpoint: options.dockerEndpoint ?? bed.engine.host,
        nodeIP: [machine.address],
        ...options.shorelet,
      },
    ],
    args: ['--node-name', name, ...(options.args ?? [])],
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  return {
    name,
    agent,
    rootDir: agent.rootDir,
    async ready(timeoutMs = 60_000) {
      const jsonpath = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      await waitFor(
        `node ${name} to be Ready`,
        async () => (await controlPlane.kubectl(['get', 'node', name, jsonpath])).stdout === 'True' || undefined,
        { timeoutMs, explain: async () => (await agent.log()).split('\n').slice(-20).join('\n') },
      );
    },
  };
}
