/** Stand-ins for tests of this room. */
import type { NodeObject } from '../api/types.ts';
import type { ApiClient, Change } from '../cluster/types.ts';
import { AlreadyExistsError, NotFoundError } from '../lib/errors.ts';
import type { MachineFacts } from '../resources/machine.ts';
import type { NodeFacts } from './node-status.ts';
import type { NodeSettings } from './types.ts';

export const machine: MachineFacts = {
  cpuCount: 4,
  memoryBytes: 8 * 1024 ** 3,
  swapBytes: 0,
  hugePages: [{ pageSize: 2 * 1024 ** 2, count: 0 }],
  machineId: 'machine',
  systemUuid: 'system',
  bootId: 'boot-1',
  kernelVersion: '6.1.0',
  osImage: 'Debian',
  architecture: 'amd64',
  operatingSystem: 'linux',
};

export const settings: NodeSettings = {
  nodeName: 'n1',
  hostname: 'n1',
  nodeIPs: [],
  registerNode: true,
  registerWithTaints: [],
  nodeLabels: {},
  providerId: '',
  externalCloudProvider: false,
  controllerAttachDetach: true,
  port: 10250,
  kubeletVersion: 'v1.37.2+shorelet.0.1.0',
  declaredFeatures: ['A'],
  resources: { maxPods: 110, podsPerCore: 0, systemReserved: {}, kubeReserved: {}, evictionHard: {}, ephemeralStorage: true, capacity: {} },
  statusUpdateFrequencyMs: 10_000,
  statusReportFrequencyMs: 300_000,
  maxImages: 50,
};

export const readyFacts: NodeFacts = {
  machine,
  resources: { capacity: { cpu: '4', memory: '8Gi', pods: '110' }, allocatable: { cpu: '4', memory: '8Gi', pods: '110' } },
  addresses: [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'Hostname', address: 'n1' },
  ],
  runtime: { version: '0.1.0', runtimeName: 'docker', runtimeVersion: '20.10.24', runtimeApiVersion: 'v1' },
  handlers: [],
  features: { supplementalGroupsPolicy: true },
  images: [],
  volumesInUse: [],
  pressures: new Set(),
  notReadyReasons: [],
};

type NodeClient = Pick<ApiClient, 'create' | 'get' | 'patch'>;

/** An API server that knows one node and merges patches of its status roughly as the real one does. */
export class FakeNodes implements NodeClient {
  node: NodeObject | undefined;
  /** Thrown by the next calls, one each. */
  readonly failures: Error[] = [];
  readonly calls: string[] = [];
  readonly patches: Record<string, unknown>[] = [];
  #version = 1;
  #listener: ((change: Change<NodeObject>) => void) | undefined;

  async create<T>(_resource: unknown, _target: unknown, body: object): Promise<T> {
    this.#called('create');
    if (this.node !== undefined) throw new AlreadyExistsError('nodes "n1" already exists');
    return this.#store(structuredClone(body) as NodeObject) as T;
  }

  async get<T>(): Promise<T> {
    this.#called('get');
    if (this.node === undefined) throw new NotFoundError('nodes "n1" not found');
    return this.node as T;
  }

  async patch<T>(_resource: unknown, _target: unknown, { body }: { readonly body: unknown }): Promise<T> {
    this.#called('patch');
    if (this.node === undefined) throw new NotFoundError('nodes "n1" not found');
    this.patches.push(body as Record<string, unknown>);
    return this.#store(merge(this.node, body) as NodeObject) as T;
  }

  onChange(listener: (change: Change<NodeObject>) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }

  /** Somebody else writes the node. */
  write(change: Partial<NodeObject>): void {
    if (this.node === undefined) throw new Error('there is no node');
    const object = this.#store({ ...this.node, ...change });
    this.#listener?.({ type: 'modified', object, previous: object });
  }

  delete(): void {
    const object = this.node;
    this.node = undefined;
    if (object !== undefined) this.#listener?.({ type: 'deleted', object });
  }

  #called(verb: string): void {
    this.calls.push(verb);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
  }

  #store(node: NodeObject): NodeObject {
    this.#version += 1;
    this.node = {
      ...node,
      metadata: { ...node.metadata, uid: node.metadata.uid ?? `uid-${this.#version}`, resourceVersion: String(this.#version) },
    };
    return this.node;
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    if (value === null) delete result[key];
    else if (key === 'conditions' && Array.isArray(value)) result[key] = mergeByType(result[key], value);
    else if (Array.isArray(value)) result[key] = value.filter((item) => !isObject(item) || !('$patch' in item));
    else result[key] = merge(result[key], value);
  }
  return result;
}

function mergeByType(target: unknown, items: readonly unknown[]): unknown[] {
  const result = Array.isArray(target) ? [...(target as unknown[])] : [];
  for (const item of items) {
    const index = result.findIndex((other) => isObject(other) && isObject(item) && other['type'] === item['type']);
    if (index < 0) result.push(item);
    else result[index] = merge(result[index], item);
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
