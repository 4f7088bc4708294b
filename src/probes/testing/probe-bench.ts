import type { ContainerSpec, Pod, ProbeSpec } from '../../api/types.ts';
import { DeadlineExceededError } from '../../lib/errors.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { ObservedContainer, ObservedPod, PodCache } from '../../pods/types.ts';
import type { ContainerState } from '../../runtime/types.ts';
import type { GrpcHealthAnswer, ProbeManagerDeps } from '../types.ts';

/** What a command in a container does: an exit code, a time-out, an engine that fails, or nothing until it is told. */
export type ExecBehaviour = number | 'timeout' | 'broken' | Promise<number>;

/** Everything that probes need, with commands that do what the test says and a clock that it moves. */
export function probeBench() {
  const clock = new FakeClock();
  const events: string[] = [];
  const commands: { readonly containerId: string; readonly cmd: readonly string[]; readonly at: number }[] = [];
  const state: {
    exec: ExecBehaviour;
    output: string;
    grpc: GrpcHealthAnswer;
    random: number;
  } = { exec: 0, output: 'out', grpc: { outcome: 'answered', status: 'SERVING' }, random: 0 };
  const pods = new Map<string, ObservedPod>();
  const listeners = new Set<(uid: string) => void>();
  const startedAt = clock.now();
  const cache: PodCache = {
    get: (uid) => pods.get(uid),
    uids: () => [...pods.keys()],
    refresh: (uid) => Promise.resolve(pods.get(uid)),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    synced: Promise.resolve(),
  };
  const deps: ProbeManagerDeps = {
    clock,
    log: silentLogger,
    events: { event: (about, type, reason, message) => void events.push(`${type} ${reason} ${about.fieldPath} ${message}`) },
    cache,
    runtime: {
      async execSync(containerId, cmd, timeoutSeconds, signal) {
        commands.push({ containerId, cmd, at: clock.now() - startedAt });
        signal.throwIfAborted();
        const { exec, output } = state;
        if (exec === 'timeout') throw new DeadlineExceededError('exec', timeoutSeconds * 1000);
        if (exec === 'broken') throw new Error('engine is away');
        return { exitCode: await exec, stdout: Buffer.from(output), stderr: Buffer.from('err') };
      },
    },
    grpc: { check: () => Promise.resolve(state.grpc) },
    hostIPs: () => ['127.0.0.1'],
    version: '1.37',
    random: () => state.random,
  };
  return {
    clock,
    deps,
    events,
    commands,
    state,
    get listeners() {
      return listeners.size;
    },
    /** Milliseconds after the beginning at which commands ran. */
    times: () => commands.map(({ at }) => at),
    /** What the runtime has now, newest first. */
    observe(...containers: readonly ObservedContainer[]) {
      const [first] = containers;
      if (first === undefined) pods.delete('u1');
      else pods.set('u1', observedPod(containers));
      for (const listener of listeners) listener('u1');
    },
    container: (id: string, changes: { readonly state?: ContainerState; readonly startedAt?: number; readonly name?: string } = {}) =>
      observedContainer(id, { startedAt: clock.now(), ...changes }),
  };
}

export type ProbeBench = ReturnType<typeof probeBench>;

/** An exec probe every 10 s. */
export function execProbe(changes: Partial<ProbeSpec> = {}): ProbeSpec {
  return { exec: { command: ['check'] }, periodSeconds: 10, ...changes };
}

export function podWith(container: Partial<ContainerSpec>, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'ns', uid: 'u1', ...metadata },
    spec: { containers: [{ name: 'c', ...container }] },
  };
}

function observedPod(containers: readonly ObservedContainer[]): ObservedPod {
  const sandbox = {
    id: 's1',
    metadata: { name: 'web', namespace: 'ns', uid: 'u1', attempt: 0 },
    state: 'ready',
    createdAt: 0n,
    ips: ['127.0.0.1'],
    namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' },
    labels: {},
    annotations: {},
    runtimeHandler: '',
  } as const;
  return { uid: 'u1', name: 'web', namespace: 'ns', sandboxes: [sandbox], containers, observedAt: 0 };
}

function observedContainer(
  id: string,
  { state = 'running', startedAt, name = 'c' }: { readonly state?: ContainerState; readonly startedAt: number; readonly name?: string },
): ObservedContainer {
  return {
    id,
    metadata: { name, attempt: 0 },
    state,
    createdAt: 0n,
    startedAt: BigInt(startedAt) * 1_000_000n,
    finishedAt: 0n,
    exitCode: 0,
    image: { image: 'i' },
    imageRef: '',
    imageId: '',
    reason: '',
    message: '',
    labels: {},
    annotations: {},
    mounts: [],
    logPath: '',
  };
}
