import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Pod, PodStatus, NodeObject, EventObject } from '../../src/api/types.ts';
import type { ImageName } from '../cluster/image-recipes.ts';
import type { KubectlOptions } from '../cluster/control-plane.ts';
import { leftovers } from '../cluster/leftovers.ts';
import { createShoreletNode, type ShoreletNode, type ShoreletNodeOptions } from '../cluster/shorelet-node.ts';
import { startTestBed, type TestBed, type TestBedOptions } from '../cluster/test-bed.ts';
import { waitFor } from '../cluster/wait.ts';
import { buildIfStale } from '../stages/build-if-stale.ts';

export const BUSYBOX = 'registry.k8s.io/e2e-test-images/busybox:1.37.0-2';
export const NGINX = 'registry.k8s.io/e2e-test-images/nginx:1.28.0-2';

/** Pods are given this long for what takes a second on an idle machine. */
const POD_TIMEOUT_MS = 60_000;

export interface ClusterOptions extends Omit<TestBedOptions, 'images'> {
  readonly images?: readonly ImageName[];
  readonly node?: ShoreletNodeOptions;
  /** False: the agent is created, but not started. */
  readonly start?: boolean;
}

/** What kubectl printed and how it ended. */
export interface KubectlResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A real control plane, a real engine and the built agent, for one test file. */
export class Cluster {
  readonly bed: TestBed;
  readonly node: ShoreletNode;

  constructor(bed: TestBed, node: ShoreletNode) {
    this.bed = bed;
    this.node = node;
  }

  /** kubectl as administrator; any exit code is answered, not thrown. */
  async try(args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> {
    const { stdout, stderr, code } = await this.bed.controlPlane.kubectl(args, { ...options, anyExit: true });
    return { stdout, stderr, code: code ?? -1 };
  }

  /** kubectl as administrator; its standard output. @throws when it fails */
  async kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    return (await this.bed.controlPlane.kubectl(args, options)).stdout;
  }

  /** A namespace of one test's own, whose default service account is there. */
  async namespace(): Promise<Namespace> {
    const name = `t-${randomBytes(4).toString('hex')}`;
    await this.kubectl(['create', 'namespace', name]);
    await waitFor(
      `the default service account of ${name}`,
      async () => (await this.try(['get', 'serviceaccount', 'default', '-n', name])).code === 0 || undefined,
      { timeoutMs: 30_000 },
    );
    return new Namespace(this, name);
  }

  async nodeObject(): Promise<NodeObject> {
    return (await this.bed.controlPlane.get(['node', this.node.name])) as NodeObject;
  }

  /** The agent's log from now on back to its start. */
  async log(): Promise<string> {
    return await readFile(this.node.agent.logFile, 'utf8');
  }

  /** Takes everything down. @throws naming whatever is left on the machine */
  async stop(): Promise<void> {
    await this.bed.stop();
    const left = await leftovers(this.bed.slot.number);
    if (left.length > 0) throw new Error(`left on this machine:\n${left.join('\n')}`);
  }
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { node: nodeOptions, start = true, images = ['pause', 'busybox', 'nginx'], ...bedOptions } = options;
  buildIfStale(console.log);
  const bed = await startTestBed({ ...bedOptions, images });
  try {
    const node = await createShoreletNode(bed, nodeOptions);
    if (start) {
      await node.agent.start();
      await node.ready();
    }
    return new Cluster(bed, node);
  } catch (error) {
    await bed.stop();
    throw error;
  }
}

/** Where one test keeps its objects. */
export class Namespace {
  readonly cluster: Cluster;
  readonly name: string;

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster;
    this.name = name;
  }

  kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    return this.cluster.kubectl(['-n', this.name, ...args], options);
  }

  try(args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> {
    return this.cluster.try(['-n', this.name, ...args], options);
  }

  /** Creates objects; each may leave out its namespace. */
  async create(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await this.kubectl(['create', '-f', '-'], { input: JSON.stringify(list) });
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await this.kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
  }

  async pod(name: string): Promise<Pod> {
    return JSON.parse(await this.kubectl(['get', 'pod', name, '-o', 'json'])) as Pod;
  }

  /** `undefined` once it is gone. */
  async podIfThere(name: string): Promise<Pod | undefined> {
    const { stdout, stderr, code } = await this.try(['get', 'pod', name, '-o', 'json']);
    if (code === 0) return JSON.parse(stdout) as Pod;
    if (stderr.includes('NotFound')) return undefined;
    throw new Error(stderr);
  }

  /** Waits until the pod's status is as wanted, and answers the pod. */
  async until(name: string, what: string, wanted: (status: PodStatus, pod: Pod) => boolean, timeoutMs = POD_TIMEOUT_MS): Promise<Pod> {
    let last: Pod | undefined;
    return await waitFor(
      `pod ${name} ${what}`,
      async () => {
        last = await this.pod(name);
        return wanted(last.status ?? {}, last) ? last : undefined;
      },
      { timeoutMs, explain: async () => `${JSON.stringify(last?.status, undefined, 1)}\n${await this.eventLines(name)}` },
    );
  }

  untilReady(name: string, timeoutMs?: number): Promise<Pod> {
    return this.until(name, 'to be Ready', (status) => condition(status, 'Ready') === 'True', timeoutMs);
  }

  untilPhase(name: string, phase: string, timeoutMs?: number): Promise<Pod> {
    return this.until(name, `to be ${phase}`, (status) => status.phase === phase, timeoutMs);
  }

  async untilGone(name: string, timeoutMs = POD_TIMEOUT_MS): Promise<void> {
    await waitFor(`pod ${name} to be gone`, async () => ((await this.podIfThere(name)) === undefined ? true : undefined), { timeoutMs });
  }

  async events(name: string): Promise<readonly EventObject[]> {
    const text = await this.kubectl(['get', 'events', '-o', 'json', `--field-selector=involvedObject.name=${name}`]);
    return (JSON.parse(text) as { items: EventObject[] }).items;
  }

  /** Waits for an event about the object whose reason is this and whose message contains that. */
  async untilEvent(name: string, reason: string, message = '', timeoutMs = POD_TIMEOUT_MS): Promise<EventObject> {
    return await waitFor(
      `event ${reason} of ${name} with ${JSON.stringify(message)}`,
      async () => (await this.events(name)).find((event) => event.reason === reason && (event.message ?? '').includes(message)),
      { timeoutMs, explain: () => this.eventLines(name) },
    );
  }

  async remove(): Promise<void> {
    await this.cluster.kubectl(['delete', 'namespace', this.name, '--wait=false']);
  }

  private async eventLines(name: string): Promise<string> {
    return (await this.events(name)).map((event) => `${event.type} ${event.reason}: ${event.message}`).join('\n');
  }
}

export function condition(status: PodStatus, type: string): string | undefined {
  return status.conditions?.find((entry) => entry.type === type)?.status;
}

/** A pod with one container that sleeps, for tests that change one thing about it. */
export function podOf(name: string, container: object = {}, spec: object = {}, metadata: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: BUSYBOX, command: ['sleep', 'infinity'], ...container }],
      ...spec,
    },
  };
}

/** A container that runs a shell script. */
export function script(...lines: readonly string[]): { readonly command: readonly string[] } {
  return { command: ['sh', '-c', lines.join('\n')] };
}
