import { resolve } from 'node:path';
import { connectNodes, createNode } from '../cluster/node.ts';
import { startPeerKubelet } from '../cluster/peer-kubelet.ts';
import { createShoreletNode } from '../cluster/shorelet-node.ts';
import type { TestBed } from '../cluster/test-bed.ts';
import type { ContenderName } from './options.ts';

/** A node whose agent gets measured. */
export interface Contender {
  readonly name: ContenderName;
  readonly nodeName: string;
  /** From the start of the agent's process to the Ready node. */
  readonly nodeReadyMs: number;
  /** The agent's process. */
  agentPid(): number;
  /** The processes of the container runtime, without shims and containers. */
  runtimePids(): number[];
  stop(): Promise<void>;
}

/** Starts Shorelet on the test bed's Docker Engine. */
export async function startShorelet(bed: TestBed, profile: string | undefined, signal: AbortSignal): Promise<Contender> {
  const profiling = profile === undefined ? {} : { env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(profile)}` } };
  const node = await createShoreletNode(bed, { nodeName: 'shorelet', ...profiling });
  const began = performance.now();
  await node.agent.start(signal);
  await node.ready();
  return {
    name: 'shorelet',
    nodeName: node.name,
    nodeReadyMs: performance.now() - began,
    agentPid: () => node.agent.pid,
    runtimePids: () => [bed.engine.dockerd.pid, bed.engine.containerd.pid],
    stop: () => node.agent.stop(),
  };
}

/** Starts the kubelet on a containerd of its own, on a second machine of the test bed. */
export async function startKubelet(bed: TestBed, signal: AbortSignal): Promise<Contender> {
  const machine = await createNode(bed.slot, 1, signal);
  await connectNodes(bed.node, machine, signal);
  const peer = await startPeerKubelet(bed, { nodeName: 'kubelet', machine, signal });
  await peer.ready();
  return {
    name: 'kubelet',
    nodeName: peer.nodeName,
    nodeReadyMs: performance.now() - peer.startedAt,
    agentPid: () => peer.kubelet.pid,
    runtimePids: () => [peer.containerd.pid],
    stop: () => peer.stop(),
  };
}
