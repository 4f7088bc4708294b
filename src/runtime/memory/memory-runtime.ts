import type { Clock } from '../../lib/clock.ts';
import { AlreadyExistsError, FailedPreconditionError, NotFoundError, UnimplementedError } from '../../lib/errors.ts';
import type {
  Container,
  ContainerConfig,
  ContainerEventMessage,
  ContainerEventType,
  ContainerFilter,
  ContainerStats,
  ContainerStatus,
  ExecSyncResult,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStatus,
  PreparedSandbox,
  RuntimeService,
  RuntimeStatus,
  StreamingUrl,
  VersionInfo,
} from '../types.ts';
import { EventHub } from './event-hub.ts';
import {
  containerStatus,
  containerSummary,
  hasLabels,
  sandboxStatus,
  sandboxSummary,
  type ContainerRecord,
  type SandboxRecord,
} from './records.ts';
import type { ContainerScript, Script } from './script.ts';

export interface MemoryRuntimeOptions {
  readonly clock: Clock;
  readonly script?: Script;
  /** First two bytes of the pods' addresses; `10.88` by default. */
  readonly podNetwork?: string;
  /** Whether it can create a sandbox without starting it; it can by default. */
  readonly prepares?: boolean;
}

/** Exit codes of what a signal ended, as a shell counts them. */
const TERMINATED = 143;
const KILLED = 137;

/**
 * A container runtime that keeps everything in memory and runs nothing: an example of the interface, and what tests and hollow nodes run on.
 *
 * INVARIANTS
 * 1. A container goes created → running → exited and never back.
 * 2. Every change of a sandbox or container is an event that carries the state after it.
 * 3. Stop and remove verbs may be called at any time, also twice.
 */
export class MemoryRuntime implements RuntimeService {
  readonly prepareSandbox?: (config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal) => Promise<PreparedSandbox>;
  readonly #clock: Clock;
  readonly #script: Script;
  readonly #podNetwork: string;
  readonly #events = new EventHub();
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #containers = new Map<string, ContainerRecord>();
  #lastId = 0;
  #lastAddress = 0;
  #lastTime = 0n;

  constructor({ clock, script = {}, podNetwork = '10.88', prepares = true }: MemoryRuntimeOptions) {
    this.#clock = clock;
    this.#script = script;
    this.#podNetwork = podNetwork;
    if (prepares) this.prepareSandbox = (config, handler, signal) => this.#prepare(config, handler, signal);
  }

  async version(): Promise<VersionInfo> {
    return { version: '0.1.0', runtimeName: 'memory', runtimeVersion: '1.0.0', runtimeApiVersion: 'v1' };
  }

  async status(): Promise<RuntimeStatus> {
    const conditions = ['RuntimeReady', 'NetworkReady'].map((type) => ({ type, status: true, reason: '', message: '' }));
    const runtimeHandlers = [{ name: '', features: { recursiveReadOnlyMounts: true, userNamespaces: false } }];
    return { conditions, runtimeHandlers, features: { supplementalGroupsPolicy: true } };
  }

  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const prepared = await this.#prepare(config, runtimeHandler, signal);
    await prepared.start(signal);
    return prepared.id;
  }

  async stopPodSandbox(podSandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(podSandboxId);
    if (sandbox) this.#stop(sandbox);
  }

  async removePodSandbox(podSandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(podSandboxId);
    if (sandbox === undefined) return;
    this.#stop(sandbox);
    for (const container of this.#containersOf(sandbox)) this.#remove(container);
    this.#sandboxes.delete(podSandboxId);
    this.#publish('deleted', podSandboxId, sandbox);
  }

  async podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    return sandboxStatus(this.#sandbox(podSandboxId));
  }

  async listPodSandbox({ id, state, labelSelector }: PodSandboxFilter): Promise<PodSandbox[]> {
    return [...this.#sandboxes.values()]
      .filter((sandbox) => (id === undefined || sandbox.id === id) && (state === undefined || sandbox.state === state))
      .filter((sandbox) => hasLabels(sandbox.config.labels, labelSelector))
      .map(sandboxSummary);
  }

  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const script = this.#script.container?.(config, sandboxConfig) ?? {};
    await this.#pass(script.createMs, signal);
    if (script.createError) throw script.createError;
    const sandbox = this.#sandbox(podSandboxId);
    const { name, attempt } = config.metadata;
    if (this.#containersOf(sandbox).some(({ config: { metadata } }) => metadata.name === name && metadata.attempt === attempt)) {
      throw new AlreadyExistsError(`sandbox ${podSandboxId} has attempt ${attempt} of container ${name}`);
    }
    const container: ContainerRecord = {
      id: this.#nextId(),
      sandbox,
      config,
      createdAt: this.#now(),
      imageRef: config.image.image,
      state: 'created',
      startedAt: 0n,
      finishedAt: 0n,
      exitCode: 0,
      reason: '',
      message: '',
      resources: config.linux.resources,
      exited: Promise.withResolvers(),
    };
    this.#containers.set(container.id, container);
    this.#publish('created', container.id, sandbox);
    return container.id;
  }

  async startContainer(containerId: string, signal: AbortSignal): Promise<void> {
    const script = this.#scriptOf(this.#container(containerId));
    await this.#pass(script.startMs, signal);
    const container = this.#container(containerId);
    if (container.state !== 'created') throw new FailedPreconditionError(`container ${containerId} is ${container.state}`);
    if (container.sandbox.state !== 'ready') throw new FailedPreconditionError(`sandbox ${container.sandbox.id} is not ready`);
    if (script.startError) {
      container.message = script.startError.message;
      this.#end(container, 128, 'ContainerCannotRun');
      throw script.startError;
    }
    container.state = 'running';
    container.startedAt = this.#now();
    this.#publish('started', containerId, container.sandbox);
    const { runMs, exitCode = 0 } = script;
    if (runMs !== undefined) this.#clock.after(runMs, () => this.exit(containerId, exitCode, script.exitReason));
  }

  async stopContainer(containerId: string, timeoutSeconds: number, signal: AbortSignal): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container?.state !== 'running') return;
    const { stopMs = 0 } = this.#scriptOf(container);
    const killed = stopMs > timeoutSeconds * 1000;
    await Promise.race([this.#pass(Math.min(stopMs, timeoutSeconds * 1000), signal), container.exited.promise]);
    this.#end(container, killed ? KILLED : TERMINATED, 'Error');
  }

  async removeContainer(containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (container === undefined) return;
    this.#end(container, KILLED, 'Error');
    this.#remove(container);
  }

  async listContainers({ id, state, podSandboxId, labelSelector }: ContainerFilter): Promise<Container[]> {
    return [...this.#containers.values()]
      .filter((container) => (id === undefined || container.id === id) && (state === undefined || container.state === state))
      .filter(({ sandbox }) => podSandboxId === undefined || sandbox.id === podSandboxId)
      .filter(({ config }) => hasLabels(config.labels, labelSelector))
      .map(containerSummary);
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    return containerStatus(this.#container(containerId));
  }

  async updateContainerResources(containerId: string, resources: LinuxContainerResources): Promise<void> {
    const container = this.#container(containerId);
    container.resources = { ...container.resources, ...resources };
  }

  async reopenContainerLog(containerId: string): Promise<void> {
    const { state } = this.#container(containerId);
    if (state !== 'running') throw new FailedPreconditionError(`container ${containerId} is ${state}`);
  }

  async execSync(containerId: string, cmd: readonly string[]): Promise<ExecSyncResult> {
    const container = this.#container(containerId);
    if (container.state !== 'running') throw new FailedPreconditionError(`container ${containerId} is ${container.state}`);
    return this.#scriptOf(container).exec?.(cmd) ?? { stdout: new Uint8Array(), stderr: new Uint8Array(), exitCode: 0 };
  }

  async exec(): Promise<StreamingUrl> {
    throw new UnimplementedError('containers in memory have no streams');
  }

  async attach(): Promise<StreamingUrl> {
    throw new UnimplementedError('containers in memory have no streams');
  }

  async portForward(): Promise<StreamingUrl> {
    throw new UnimplementedError('containers in memory have no ports');
  }

  async listContainerStats(): Promise<ContainerStats[]> {
    return [];
  }

  async updateRuntimeConfig(): Promise<void> {
    // Nothing is routed, so any pod CIDR will do.
  }

  async runtimeConfig(): Promise<{ readonly cgroupDriver: 'cgroupfs' | 'systemd' }> {
    return { cgroupDriver: 'cgroupfs' };
  }

  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEventMessage> {
    return this.#events.listen(signal);
  }

  /** A running container ends by itself. */
  exit(containerId: string, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void {
    const container = this.#containers.get(containerId);
    if (container?.state === 'running') this.#end(container, exitCode, reason);
  }

  /** Drops the events that nobody has read yet, as a lost connection to an engine does. */
  reconnect(): void {
    this.#events.reconnect();
  }

  async #prepare(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<PreparedSandbox> {
    const script = this.#script.sandbox?.(config) ?? {};
    await this.#pass(script.createMs, signal);
    const { uid, attempt } = config.metadata;
    for (const { config: other } of this.#sandboxes.values()) {
      if (other.metadata.uid === uid && other.metadata.attempt === attempt) {
        throw new AlreadyExistsError(`pod ${uid} has a sandbox of attempt ${attempt}`);
      }
    }
    const sandbox: SandboxRecord = { id: this.#nextId(), config, runtimeHandler, createdAt: this.#now(), state: 'notready', ips: [] };
    this.#sandboxes.set(sandbox.id, sandbox);
    this.#publish('created', sandbox.id, sandbox);
    const start = async (startSignal: AbortSignal): Promise<void> => {
      await this.#pass(script.startMs, startSignal);
      if (script.startError) throw script.startError;
      this.#sandbox(sandbox.id);
      sandbox.state = 'ready';
      if (config.linux.securityContext.namespaceOptions.network !== 'node') sandbox.ips = [this.#nextAddress()];
      this.#publish('started', sandbox.id, sandbox);
    };
    return { id: sandbox.id, start };
  }

  #stop(sandbox: SandboxRecord): void {
    for (const container of this.#containersOf(sandbox)) this.#end(container, KILLED, 'Error');
    if (sandbox.state === 'notready') return;
    sandbox.state = 'notready';
    sandbox.ips = [];
    this.#publish('stopped', sandbox.id, sandbox);
  }

  #end(container: ContainerRecord, exitCode: number, reason: string): void {
    if (container.state === 'exited' || (container.state === 'created' && reason !== 'ContainerCannotRun')) return;
    container.state = 'exited';
    container.exitCode = exitCode;
    container.reason = reason;
    container.finishedAt = this.#now();
    container.exited.resolve();
    this.#publish('stopped', container.id, container.sandbox);
  }

  #remove(container: ContainerRecord): void {
    if (this.#containers.delete(container.id)) this.#publish('deleted', container.id, container.sandbox);
  }

  #publish(type: ContainerEventType, containerId: string, sandbox: SandboxRecord): void {
    this.#events.publish({
      containerId,
      type,
      createdAt: this.#now(),
      podSandboxStatus: sandboxStatus(sandbox),
      containersStatuses: this.#containersOf(sandbox).map(containerStatus),
    });
  }

  #containersOf(sandbox: SandboxRecord): ContainerRecord[] {
    return [...this.#containers.values()].filter((container) => container.sandbox === sandbox);
  }

  #sandbox(id: string): SandboxRecord {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) throw new NotFoundError(`there is no sandbox ${id}`);
    return sandbox;
  }

  #container(id: string): ContainerRecord {
    const container = this.#containers.get(id);
    if (container === undefined) throw new NotFoundError(`there is no container ${id}`);
    return container;
  }

  #scriptOf({ config, sandbox }: ContainerRecord): ContainerScript {
    return this.#script.container?.(config, sandbox.config) ?? {};
  }

  async #pass(ms: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (ms !== undefined && ms > 0) await this.#clock.sleep(ms, signal);
  }

  #nextId(): string {
    this.#lastId += 1;
    return this.#lastId.toString(16).padStart(64, '0');
  }

  #nextAddress(): string {
    this.#lastAddress += 1;
    return `${this.#podNetwork}.${(this.#lastAddress >> 8) & 0xff}.${this.#lastAddress & 0xff}`;
  }

  /** Nanoseconds, no two alike, so that what happens one after the other can be told apart. */
  #now(): bigint {
    const now = BigInt(Math.floor(this.#clock.now())) * 1_000_000n;
    this.#lastTime = now > this.#lastTime ? now : this.#lastTime + 1n;
    return this.#lastTime;
  }
}
