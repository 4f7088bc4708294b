/** The whole pod loop on a fake runtime and a fake API server, for tests. */
import type { Pod, PodStatus, Taint } from '../../api/types.ts';
import { NotFoundError } from '../../lib/errors.ts';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { defaultPlanSettings } from '../plan/crash-loop.ts';
import { PodManager, type PodSource } from '../pod-manager.ts';
import { PodWorkers } from '../pod-workers.ts';
import { withoutProbes, type NodeView, type PodStatusPatch, type PodStatusWriter, type ProbeResults } from '../ports.ts';
import { StatusManager } from '../status-manager.ts';
import { deleted } from './builders.ts';
import { FakeRuntime, type Script } from './fake-runtime.ts';

/** Stores pods, applies status patches as the API server does, and can be away. */
export class FakeApi implements PodStatusWriter {
  readonly log: string[] = [];
  readonly patches: PodStatusPatch[] = [];
  fails: Error | undefined;
  readonly #pods = new Map<string, Pod>();
  #version = 100;

  put(pod: Pod): Pod {
    this.#version += 1;
    const stored = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(this.#version) } };
    this.#pods.set(pod.metadata.uid, stored);
    return stored;
  }

  get(uid: string): Pod | undefined {
    return this.#pods.get(uid);
  }

  async patchPodStatus({ uid, name }: { uid: string; name: string }, patch: PodStatusPatch): Promise<Pod> {
    if (this.fails !== undefined) throw this.fails;
    const pod = this.#pods.get(uid);
    if (pod === undefined) throw new NotFoundError(`pods "${name}" not found`);
    this.patches.push(patch);
    const { phase } = patch.status;
    this.log.push(`patch ${typeof phase === 'string' ? phase : '-'}`);
    return this.put({ ...pod, status: applied(pod.status ?? {}, patch.status) });
  }

  async deletePod({ uid, name }: { uid: string; name: string }, graceSeconds: number): Promise<void> {
    if (this.fails !== undefined) throw this.fails;
    if (!this.#pods.delete(uid)) throw new NotFoundError(`pods "${name}" not found`);
    this.log.push(`delete ${name} ${graceSeconds}`);
  }
}

/** What a strategic merge patch does to a pod's status, as far as the status manager uses it. */
function applied(status: PodStatus, patch: Readonly<Record<string, unknown>>): PodStatus {
  const result: Record<string, unknown> = { ...status };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else if (field === 'conditions' && Array.isArray(value)) result[field] = mergedConditions(status.conditions ?? [], value);
    else if (Array.isArray(value))
      result[field] = value.filter((item: unknown) => !(typeof item === 'object' && item !== null && '$patch' in item));
    else result[field] = value;
  }
  return result;
}

function mergedConditions(before: readonly { readonly type: string }[], patch: readonly unknown[]): object[] {
  const merged = new Map<string, Record<string, unknown>>(before.map((condition) => [condition.type, { ...condition }]));
  for (const entry of patch) {
    const { type, ...fields } = entry as { type: string } & Record<string, unknown>;
    const condition: Record<string, unknown> = { ...merged.get(type), type, ...fields };
    for (const [field, value] of Object.entries(condition)) if (value === null) delete condition[field];
    if (condition['$patch'] === 'delete') merged.delete(type);
    else merged.set(type, condition);
  }
  return [...merged.values()];
}

export interface LoopOptions {
  readonly script?: Partial<Script>;
  readonly sources?: readonly PodSource[];
  readonly allocatable?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  readonly probes?: ProbeResults;
}

export interface Loop {
  readonly clock: FakeClock;
  readonly runtime: FakeRuntime;
  readonly api: FakeApi;
  readonly pods: PodManager;
  readonly status: StatusManager;
  readonly workers: PodWorkers;
  /** `<type> <reason> <message>` */
  readonly events: string[];
  readonly stop: AbortController;
  /** The API server has (a new version of) a pod, and its watch says so. */
  apply(pod: Pod): void;
}

/** Not started: seed the runtime first, then `await loop.workers.start(signal)`. */
export function newLoop({ script = {}, sources = ['api'], allocatable, taints = [], probes = withoutProbes }: LoopOptions = {}): Loop {
  const clock = new FakeClock();
  const runtime = new FakeRuntime(clock, script);
  const api = new FakeApi();
  const pods = new PodManager(sources);
  const events: string[] = [];
  const log = silentLogger;
  const status = new StatusManager({ clock, log, writer: api, pods });
  const node: NodeView = {
    nodeName: 'node',
    labels: () => ({ 'kubernetes.io/os': 'linux' }),
    taints: () => taints,
    allocatable: () => allocatable ?? { cpu: '2', memory: '4Gi', pods: '110' },
    hostIPs: () => ['192.0.2.1'],
    allowedUnsafeSysctls: () => [],
    supportsSupplementalGroupsPolicy: () => false,
    supportsRecursiveReadOnlyMounts: () => false,
  };
  const workers = new PodWorkers({
    clock,
    log,
    cache: runtime,
    executor: runtime,
    pods,
    status,
    probes,
    node,
    events: { event: (_about, type, reason, message) => void events.push(`${type} ${reason} ${message}`) },
    terminationMessages: { read: async ({ message }) => message },
    runtimeName: 'docker',
    settings: defaultPlanSettings,
    random: () => 0,
  });
  const apply = (pod: Pod): void => pods.upsert('api', api.put(pod));
  return { clock, runtime, api, pods, status, workers, events, stop: new AbortController(), apply };
}

/** A loop that has begun with these pods on the API server. */
export async function started(pods: readonly Pod[] = [], options: LoopOptions = {}): Promise<Loop> {
  const loop = newLoop(options);
  loop.pods.replace(
    'api',
    pods.map((pod) => loop.api.put(pod)),
  );
  await loop.workers.start(loop.stop.signal);
  await settle();
  return loop;
}

/** Somebody asks the API server for the deletion of the pod as it is there. */
export function askForDeletion(loop: Loop, graceSeconds: number): void {
  const pod = loop.api.get('u');
  if (pod === undefined) throw new Error('there is no pod to delete');
  loop.apply(deleted(pod, graceSeconds));
}
