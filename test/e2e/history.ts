import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { ContainerStatusObject, NodeObject, Pod } from '../../src/api/types.ts';
import { waitFor } from '../cluster/wait.ts';
import { condition, type Cluster } from './cluster.ts';

/** One event of a watch. */
export interface Seen<T> {
  readonly type: string;
  readonly object: T;
}

/**
 * Every state that an object has been in, from the watch of an onlooker. Nothing between two states is missed, as it would be by
 * asking again and again.
 */
export class History<T> {
  readonly events: Seen<T>[] = [];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Watches `path` (`/api/v1/…`) from what there is now on. */
  static async of<T>(cluster: Cluster, path: string): Promise<History<T>> {
    const { kubectlPath, adminKubeconfig } = cluster.bed.controlPlane;
    const query = `${path}${path.includes('?') ? '&' : '?'}watch=1&timeoutSeconds=3600`;
    const child = spawn(kubectlPath, ['--kubeconfig', adminKubeconfig, 'get', '--raw', query], { stdio: ['ignore', 'pipe', 'ignore'] });
    const history = new History<T>(child);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) history.events.push(JSON.parse(line) as Seen<T>);
    });
    await waitFor(`the first event of ${path}`, () => history.events.length > 0, { timeoutMs: 15_000 });
    return history;
  }

  async end(): Promise<readonly Seen<T>[]> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill();
      await once(this.#child, 'exit');
    }
    return this.events;
  }
}

export function podHistory(cluster: Cluster, namespace: string): Promise<History<Pod>> {
  return History.of<Pod>(cluster, `/api/v1/namespaces/${namespace}/pods`);
}

export function nodeHistory(cluster: Cluster, name: string): Promise<History<NodeObject>> {
  return History.of<NodeObject>(cluster, `/api/v1/nodes?fieldSelector=metadata.name%3D${name}`);
}

const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed'];

/** What went backwards in the statuses that were seen, in words; empty when nothing did. */
export function stepsBack(events: readonly Seen<Pod>[]): string[] {
  const faults: string[] = [];
  const last = new Map<string, Pod>();
  for (const { object: pod } of events) {
    const before = last.get(pod.metadata.uid ?? '');
    last.set(pod.metadata.uid ?? '', pod);
    if (before === undefined) continue;
    const name = pod.metadata.name ?? '';
    const [from, to] = [before.status?.phase ?? 'Pending', pod.status?.phase ?? 'Pending'];
    if (PHASES.indexOf(to) < PHASES.indexOf(from)) faults.push(`${name}: phase ${from} → ${to}`);
    if (before.status?.startTime !== undefined && pod.status?.startTime !== before.status.startTime) faults.push(`${name}: startTime`);
    if (before.status?.podIP !== undefined && pod.status?.podIP === undefined && to === 'Running') faults.push(`${name}: lost its podIP`);
    for (const [old, now] of containerPairs(before, pod)) {
      if (now === undefined) faults.push(`${name}/${old.name}: its status is gone`);
      else faults.push(...containerStepsBack(`${name}/${old.name}`, old, now));
    }
  }
  return faults;
}

function containerStepsBack(name: string, old: ContainerStatusObject, now: ContainerStatusObject): string[] {
  const faults: string[] = [];
  if (now.restartCount < old.restartCount) faults.push(`${name}: restartCount ${old.restartCount} → ${now.restartCount}`);
  const [was, is] = [old.state ?? {}, now.state ?? {}];
  // One that was made and never ran may be replaced without a trace.
  const hasRun = was.running !== undefined || was.terminated !== undefined;
  if (hasRun && old.containerID !== undefined && now.containerID === undefined) faults.push(`${name}: lost its containerID`);
  const same = old.containerID === now.containerID;
  if (same && was.terminated !== undefined && is.running !== undefined) faults.push(`${name}: terminated → running`);
  if (same && was.running !== undefined && is.running !== undefined && was.running.startedAt !== is.running.startedAt) {
    faults.push(`${name}: startedAt ${was.running.startedAt} → ${is.running.startedAt}`);
  }
  if (was.running !== undefined && is.waiting !== undefined && now.lastState?.terminated === undefined) {
    faults.push(`${name}: running → waiting (${is.waiting.reason}) without an end`);
  }
  return faults;
}

function containerPairs(before: Pod, after: Pod): [ContainerStatusObject, ContainerStatusObject | undefined][] {
  const all = (pod: Pod): ContainerStatusObject[] => [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  return all(before).map((old) => [old, all(after).find(({ name }) => name === old.name)]);
}

/** The times a condition was seen to be something else than `True`, as `name Ready False reason`. */
export function notTrue(events: readonly Seen<Pod | NodeObject>[], names: readonly string[], type = 'Ready'): string[] {
  return events
    .filter(({ object }) => names.includes(object.metadata.name ?? '') && condition(object.status ?? {}, type) !== 'True')
    .map(({ object }) => `${object.metadata.name}: ${JSON.stringify(object.status?.conditions?.find((entry) => entry.type === type))}`);
}
