import { join } from 'node:path';
import { createAgent, type AgentProcess } from './agent-process.ts';
import { kubeletConfiguration } from './kubelet-configuration.ts';
import type { TestNode } from './node.ts';
import type { TestBed } from './test-bed.ts';
import { FatalError, waitFor } from './wait.ts';

/** The built program's launcher. */
export const launcher = join(import.meta.dirname, '../../dist/shorelet');

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
  const agent = await createAgent(machine, {
    name,
    command: [launcher, 'run'],
    kubeconfig: await controlPlane.nodeKubeconfig(name),
    config: [
      await kubeletConfiguration(machine, controlPlane, name, options.kubelet),
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
        async () => {
          if (!agent.running) throw new FatalError(`the agent has ended: ${await agent.log()}`);
          return (await controlPlane.kubectl(['get', 'node', name, jsonpath])).stdout === 'True';
        },
        { timeoutMs, explain: async () => (await agent.log()).split('\n').slice(-20).join('\n') },
      );
    },
  };
}
