/** A runtime for tests of the pod loop: carries plans out in memory, and shows what is there. */
import type { FakeClock } from '../../lib/fake-clock.ts';
import { sleepOn } from '../../lib/clock.ts';
import type { PodSandboxStatus } from '../../runtime/types.ts';
import { containerSpec, mayRun } from '../pod-view.ts';
import type {
  Action,
  ActionFailure,
  ExecutionContext,
  ExecutionResult,
  ObservedContainer,
  ObservedPod,
  PlanExecutor,
  PodCache,
} from '../types.ts';
import { instance, nano } from './builders.ts';

interface PodRecord {
  readonly name: string;
  readonly namespace: string;
  sandboxes: PodSandboxStatus[];
  containers: ObservedContainer[];
}

export interface Script {
  /** Milliseconds each kind of step takes, by kind or by `kind container`. */
  readonly takesMs?: Readonly<Record<string, number>>;
  /** Which steps fail, by kind or by `kind container`; may change while the test runs. */
  readonly fails: Map<string, { readonly reason: string; readonly message: string }>;
  /** Exit code with which a container ends as soon as it has started; absent: it runs on. */
  readonly exits: Map<string, number>;
}

/**
 * Everything it did is in `log`, in the order in which it was done: `start web#0`, `stop web 30`, `cleanUp` … The observation is
 * always current and changes are told.
 */
export class FakeRuntime implements PodCache, PlanExecutor {
  readonly log: string[] = [];
  readonly script: Script;
  readonly synced: Promise<void>;
  refreshFails = false;
  /** How often it was asked for a refresh. */
  refreshes = 0;
  readonly #clock: FakeClock;
  readonly #pods = new Map<string, PodRecord>();
  readonly #listeners = new Set<(uid: string) => void>();
  #sequence = 0;

  constructor(clock: FakeClock, script: Partial<Script> = {}) {
    this.#clock = clock;
    this.script = { fails: new Map(), exits: new Map(), ...script };
    this.synced = Promise.resolve();
  }

  get(uid: string): ObservedPod | undefined {
    const record = this.#pods.get(uid);
    if (record === undefined || record.sandboxes.length + record.containers.length === 0) return undefined;
    return { uid, ...record, sandboxes: [...record.sandboxes], containers: [...record.containers], observedAt: this.#clock.now() };
  }

  uids(): readonly string[] {
    return [...this.#pods.keys()].filter((uid) => this.get(uid) !== undefined);
  }

  async refresh(uid: string, signal: AbortSignal): Promise<ObservedPod | undefined> {
    signal.throwIfAborted();
    this.refreshes += 1;
    if (this.refreshFails) throw new Error('the engine does not answer');
    return this.get(uid);
  }

  onChange(listener: (uid: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async execute({ pod }: ExecutionContext, actions: readonly Action[], signal: AbortSignal): Promise<ExecutionResult> {
    const done: Action[] = [];
    const failed: ActionFailure[] = [];
    const skipped: Action[] = [];
    let broken = false;
    for (const action of actions) {
      const name = 'container' in action ? action.container : '';
      if (broken) {
        skipped.push(action);
        continue;
      }
      const failure = await this.#take(action.kind, name, signal);
      if (failure === undefined) {
        this.#apply({ pod }, action);
        done.push(action);
      } else {
        failed.push({ action, ...failure, eventRecorded: false, error: new Error(failure.message) });
        if (action.kind !== 'startContainer') broken = true;
      }
    }
    return { done, failed, skipped };
  }

  /** What exists before the test begins. */
  seed(
    uid: string,
    observed: Pick<ObservedPod, 'sandboxes' | 'containers'>,
    names: { name: string; namespace: string } = { name: 'p', namespace: 'n' },
  ): void {
    this.#pods.set(uid, { ...names, sandboxes: [...observed.sandboxes], containers: [...observed.containers] });
  }

  /** A running container ends by itself. */
  exit(uid: string, name: string, exitCode: number): void {
    const record = this.#pods.get(uid);
    if (record === undefined) return;
    record.containers = record.containers.map((container) =>
      container.metadata.name === name && container.state === 'running' ? this.#ended(container, exitCode) : container,
    );
    this.#tell(uid);
  }

  /** The newest sandbox dies; its containers live on. */
  killSandbox(uid: string): void {
    const record = this.#pods.get(uid);
    const [newest, ...older] = record?.sandboxes ?? [];
    if (record === undefined || newest === undefined) return;
    record.sandboxes = [{ ...newest, state: 'notready' }, ...older];
    this.#tell(uid);
  }

  async #take(kind: string, name: string, signal: AbortSignal): Promise<{ reason: string; message: string } | undefined> {
    const ms = this.script.takesMs?.[`${kind} ${name}`] ?? this.script.takesMs?.[kind] ?? 0;
    try {
      if (ms > 0) await sleepOn(this.#clock, ms, signal);
      signal.throwIfAborted();
    } catch {
      this.log.push(`aborted ${kind} ${name}`.trim());
      return { reason: 'Aborted', message: 'aborted' };
    }
    return this.script.fails.get(`${kind} ${name}`) ?? this.script.fails.get(kind);
  }

  #apply({ pod }: Pick<ExecutionContext, 'pod'>, action: Action): void {
    const { uid, name, namespace } = pod.metadata;
    const record = this.#pods.get(uid) ?? { name, namespace, sandboxes: [], containers: [] };
    this.#pods.set(uid, record);
    this.#sequence += 1;
    switch (action.kind) {
      case 'createSandbox':
        this.log.push(`sandbox ${action.attempt}`);
        record.sandboxes.unshift(this.#newSandbox(uid, record, action.attempt, pod.spec.hostNetwork === true));
        break;
      case 'startContainer':
        this.log.push(`start ${action.container}#${action.attempt}`);
        this.#start(pod, record, action);
        break;
      case 'stopContainer':
        this.log.push(`stop ${action.container} ${action.graceSeconds}`);
        record.containers = record.containers.map((item) => (item.id === action.id && mayRun(item) ? this.#ended(item, 137) : item));
        break;
      case 'stopSandbox':
        this.log.push(`stopSandbox ${action.id}`);
        record.sandboxes = record.sandboxes.map((item) => (item.id === action.id ? { ...item, state: 'notready' } : item));
        break;
      case 'removeContainer':
        this.log.push(`remove ${action.container}`);
        record.containers = record.containers.filter((item) => item.id !== action.id);
        break;
      case 'removeSandbox':
        this.log.push(`removeSandbox ${action.id}`);
        record.sandboxes = record.sandboxes.filter((item) => item.id !== action.id);
        break;
      case 'prepareVolumes':
      case 'cleanUp':
      case 'updateContainerResources':
        this.log.push(action.kind);
    }
    this.#tell(uid);
  }

  #newSandbox(uid: string, record: PodRecord, attempt: number, hostNetwork: boolean): PodSandboxStatus {
    return {
      id: `${uid}-s${attempt}`,
      metadata: { uid, name: record.name, namespace: record.namespace, attempt },
      state: 'ready',
      createdAt: this.#now(),
      ips: hostNetwork ? [] : ['10.1.0.7'],
      namespaceOptions: { network: hostNetwork ? 'node' : 'pod', pid: 'container', ipc: 'pod' },
      labels: {},
      annotations: {},
      runtimeHandler: '',
    };
  }

  #start(pod: ExecutionContext['pod'], record: PodRecord, action: Extract<Action, { kind: 'startContainer' }>): void {
    const spec = containerSpec(pod, action.container);
    if (spec === undefined) throw new Error(`no container ${action.container}`);
    const sandbox = action.sandboxId ?? record.sandboxes[0]?.id;
    if (sandbox === undefined) throw new Error(`${action.container} has no sandbox to start in`);
    const running = instance(spec, { attempt: action.attempt, sandbox, startedMs: this.#clock.now() });
    const started: ObservedContainer = { ...running, id: `${pod.metadata.uid}-${running.id}`, createdAt: this.#now() };
    const exitCode = this.script.exits.get(action.container);
    record.containers.unshift(exitCode === undefined ? started : this.#ended(started, exitCode));
  }

  #ended(container: ObservedContainer, exitCode: number): ObservedContainer {
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    return { ...container, state: 'exited', exitCode, reason, finishedAt: nano(this.#clock.now()) };
  }

  /** Never twice the same. */
  #now(): bigint {
    return nano(this.#clock.now()) + BigInt(this.#sequence);
  }

  #tell(uid: string): void {
    for (const listener of [...this.#listeners]) listener(uid);
  }
}
