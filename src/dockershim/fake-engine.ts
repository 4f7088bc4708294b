import { NotFoundError, UnavailableError, UnimplementedError } from '../lib/errors.ts';
import type {
  ContainerInspection,
  ContainerSpec,
  ContainerSummary,
  DockerEngine,
  EngineContainerStatus,
  EngineEvent,
  EngineImage,
  PullProgress,
} from './engine.ts';

const INFO = {
  rootDirectory: '/engine',
  cgroupDriver: 'cgroupfs',
  cgroupVersion: '1',
  storageDriver: 'overlay2',
  defaultRuntime: 'runc',
  runtimes: ['runc'],
  securityOptions: [],
  architecture: 'x86_64',
};

/** An engine in memory for unit tests: containers change when told, and calls can be held back or made to fail. */
export class FakeEngine implements DockerEngine {
  readonly endpoint = 'unix:///fake.sock';
  readonly calls: string[] = [];
  readonly containers = new Map<string, ContainerInspection>();
  readonly images = new Map<string, EngineImage>();
  /** By verb: what it waits for before it answers. */
  readonly holds = new Map<string, Promise<void>>();
  /** By verb: what it fails with. */
  readonly failures = new Map<string, Error>();
  pullMessages: AsyncIterable<PullProgress> | undefined;
  #subscribers = new Set<(event: EngineEvent | undefined) => void>();
  #nextId = 1;

  /** Changes or makes a container without telling anybody. */
  put(id: string, changes: Partial<ContainerInspection> = {}): void {
    this.containers.set(id, { ...(this.containers.get(id) ?? blank(id)), ...changes });
  }

  become(id: string, status: EngineContainerStatus, changes: Partial<ContainerInspection> = {}): void {
    const times = status === 'running' ? { startedAt: 5n, pid: 99 } : status === 'exited' ? { finishedAt: 9n, pid: 0 } : {};
    this.put(id, { status, ...times, ...changes });
  }

  emit(containerId: string, action: string): void {
    for (const tell of this.#subscribers) tell({ containerId, action, timeNano: 1n });
  }

  /** Ends every event stream. */
  disconnect(): void {
    for (const tell of this.#subscribers) tell(undefined);
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  async negotiate(): Promise<{ version: string; apiVersion: string }> {
    await this.#enter('negotiate');
    return { version: '20.10.24', apiVersion: '1.41' };
  }

  async info(): Promise<typeof INFO> {
    await this.#enter('info');
    return INFO;
  }

  async events(label: string, signal: AbortSignal): Promise<AsyncIterable<EngineEvent>> {
    await this.#enter(`events ${label}`, 'events');
    const queue: (EngineEvent | undefined)[] = [];
    let wake: (() => void) | undefined;
    const tell = (event: EngineEvent | undefined): void => {
      queue.push(event);
      wake?.();
    };
    this.#subscribers.add(tell);
    signal.addEventListener('abort', () => tell(undefined), { once: true });
    const subscribers = this.#subscribers;
    return (async function* () {
      try {
        for (;;) {
          if (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
          const event = queue.shift();
          if (event === undefined) return;
          yield event;
        }
      } finally {
        subscribers.delete(tell);
      }
    })();
  }

  async listContainers(label: string): Promise<ContainerSummary[]> {
    // As the engine: the list is made when it is asked for, however long the answer takes.
    const answer = [...this.containers.values()];
    await this.#enter(`list ${label}`, 'list');
    return answer.map(({ id, name, status, createdAt, labels, imageId, image }) => ({
      id,
      name,
      status,
      createdAt,
      labels,
      imageId,
      image,
    }));
  }

  async inspectContainer(id: string): Promise<ContainerInspection> {
    await this.#enter(`inspect ${id}`, 'inspect');
    const found = this.containers.get(id);
    if (found === undefined) throw new NotFoundError(`No such container: ${id}`);
    return found;
  }

  async createContainer(name: string, spec: ContainerSpec): Promise<string> {
    await this.#enter(`create ${name}`, 'create');
    const id = String(this.#nextId++).padStart(64, '0');
    this.put(id, { name, labels: spec.Labels, image: spec.Image });
    this.emit(id, 'create');
    return id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#enter(`start ${id}`, 'start');
    this.become(id, 'running');
    this.emit(id, 'start');
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    await this.#enter(`stop ${id} ${String(graceSeconds)}`, 'stop');
    this.become(id, 'exited', { exitCode: 143 });
    this.emit(id, 'die');
  }

  async killContainer(id: string): Promise<void> {
    await this.#enter(`kill ${id}`, 'kill');
    this.become(id, 'exited', { exitCode: 137 });
    this.emit(id, 'die');
  }

  async removeContainer(id: string): Promise<void> {
    await this.#enter(`remove ${id}`, 'remove');
    if (this.containers.delete(id)) this.emit(id, 'destroy');
  }

  async inspectImage(reference: string): Promise<EngineImage> {
    await this.#enter(`inspectImage ${reference}`, 'inspectImage');
    const found = this.images.get(reference);
    if (found === undefined) throw new NotFoundError(`No such image: ${reference}`);
    return found;
  }

  async listImages(): Promise<EngineImage[]> {
    await this.#enter('listImages');
    return [...this.images.values()];
  }

  async pullImage(reference: string, _auth: unknown, onProgress: (message: PullProgress) => void, signal: AbortSignal): Promise<void> {
    await this.#enter(`pull ${reference}`, 'pull');
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    const follow = async (): Promise<void> => {
      for await (const message of this.pullMessages ?? []) onProgress(message);
    };
    await Promise.race([follow(), aborted]);
  }

  async importImage(_archive: unknown, reference: string): Promise<void> {
    await this.#enter(`import ${reference}`, 'import');
  }

  async removeImage(reference: string): Promise<void> {
    await this.#enter(`removeImage ${reference}`, 'removeImage');
  }

  updateContainer = unimplemented;
  attachContainer = unimplemented;
  resizeContainer = unimplemented;
  createExec = unimplemented;
  startExec = unimplemented;
  inspectExec = unimplemented;
  resizeExec = unimplemented;

  async #enter(call: string, verb = call): Promise<void> {
    this.calls.push(call);
    await this.holds.get(verb);
    const failure = this.failures.get(verb);
    if (failure !== undefined) throw failure;
  }
}

/** What a call to an engine that is away is answered with. */
export const away = new UnavailableError('Docker Engine is not reachable');

function unimplemented(): Promise<never> {
  return Promise.reject(new UnimplementedError('the fake engine does not have this verb'));
}

function blank(id: string): ContainerInspection {
  return {
    id,
    name: id,
    createdAt: 1n,
    startedAt: 0n,
    finishedAt: 0n,
    status: 'created',
    pid: 0,
    exitCode: 0,
    oomKilled: false,
    error: '',
    imageId: 'sha256:image',
    image: 'image',
    labels: {},
    tty: false,
    stdinOnce: false,
    stopSignal: undefined,
    logPath: '',
    resolvConfPath: '',
    ips: [],
    resources: {},
    mounts: [],
  };
}
