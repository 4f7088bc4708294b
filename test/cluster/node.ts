import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';
import type { Slot } from './slot.ts';

/**
 * A machine of the test bed: a network namespace with one leg in the slot's
 * bridge. The engine and the agent of a node run inside, so that their iptables
 * rules, bridges and ports meet nobody's and go away with the namespace.
 */
export interface TestNode {
  readonly slot: Slot;
  readonly index: number;
  /** Names the machine in paths and links, `node0`; it need not be the Kubernetes node's name. */
  readonly name: string;
  /** The machine's address on the slot's bridge: a node's InternalIP. */
  readonly address: string;
  /** Addresses for the engine's bridge: the gateway with its prefix length, as dockerd's `bip`. */
  readonly engineRange: string;
  /** Addresses for pods on a CNI bridge (a CIDR). */
  readonly cniRange: string;
  /** Everything that may have a container's address here (a CIDR): both ranges above. */
  readonly podRange: string;
  /** The cgroup under which the node's containers live, an absolute cgroup path. */
  readonly cgroupRoot: string;
  readonly dir: string;
  readonly runDir: string;
  /** The file that holds the network namespace. */
  readonly networkNamespace: string;
  /** Words to put before a command so that it runs in the machine's network namespace. */
  readonly enter: readonly string[];
}

/** The interface of every node towards the slot's bridge. */
export const uplink = 'eth0';

/** Makes machine `index` (0 to 13) of a slot. It goes when the slot is released. */
export async function createNode(slot: Slot, index: number, signal?: AbortSignal): Promise<TestNode> {
  const name = `node${index.toString()}`;
  const runDir = join(slot.runDir, name);
  const networkNamespace = join(runDir, 'net');
  const block = 16 * (index + 1);
  const node: TestNode = {
    slot,
    index,
    name,
    address: slot.ip(0, 10 + index),
    engineRange: `${slot.ip(block, 1)}/21`,
    cniRange: `${slot.ip(block + 8, 0)}/21`,
    podRange: `${slot.ip(block, 0)}/20`,
    cgroupRoot: `/${slot.name}-${index.toString()}`,
    dir: join(slot.dir, name),
    runDir,
    networkNamespace,
    // Not `ip netns exec`: it remounts /sys, which hides the cgroup hierarchies.
    enter: ['nsenter', `--net=${networkNamespace}`, '--'],
  };
  await mkdir(node.dir, { recursive: true });
  await mkdir(runDir, { recursive: true });
  await writeFile(networkNamespace, '');
  const here = (...command: string[]): Promise<unknown> => run(command, { env: slot.env, signal });
  const inside = (...command: string[]): Promise<unknown> => here(...node.enter, ...command);
  await here('unshare', `--net=${networkNamespace}`, 'true');
  const peer = `${slot.name}n${index.toString()}`;
  slot.record({ kind: 'link', name: peer });
  await inside('ip', 'link', 'set', 'lo', 'up');
  await inside('ip', 'link', 'add', uplink, 'type', 'veth', 'peer', 'name', peer, 'netns', process.pid.toString());
  await here('ip', 'link', 'set', peer, 'master', slot.bridge, 'up');
  await inside('ip', 'addr', 'add', `${node.address}/24`, 'dev', uplink);
  await inside('ip', 'link', 'set', uplink, 'up');
  await inside('ip', 'route', 'add', 'default', 'via', slot.address);
  await here('ip', 'route', 'add', node.podRange, 'via', node.address);
  return node;
}

/** Routes between the containers of two machines. */
export async function connectNodes(a: TestNode, b: TestNode, signal?: AbortSignal): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await run([...from.enter, 'ip', 'route', 'add', to.podRange, 'via', to.address], { env: from.slot.env, signal });
  }
}
