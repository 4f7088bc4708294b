/** An executor on the in-memory runtime, with everything else as simple as can be. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Pod } from '../../api/types.ts';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Action, ExecutionResult, ObservedPod } from '../../pods/types.ts';
import { createExecutor } from '../executor.ts';
import type { ExecutorDeps } from '../executor-deps.ts';
import { MemoryRuntime } from '../memory/memory-runtime.ts';
import type { Script } from '../memory/script.ts';
import { createPleg } from '../pleg.ts';
import type { ContainerConfig } from '../types.ts';
import { makePod } from './fixtures.ts';

export interface RunOptions {
  readonly pod?: Pod;
  readonly signal?: AbortSignal;
  /** As long as it is false no time passes: what it waits for must come without. */
  readonly holdClockUntil?: () => boolean;
}

export interface World {
  readonly directory: string;
  readonly clock: FakeClock;
  readonly runtime: MemoryRuntime;
  /** `<about> <type> <reason>: <message>` */
  readonly events: string[];
  /** What containers were created with. */
  readonly created: ContainerConfig[];
  /** Carries out a plan against what the runtime has now, moving the clock until it is done. */
  run(actions: readonly Action[], options?: RunOptions): Promise<ExecutionResult & { readonly tookMs: number }>;
  observed(): Promise<ObservedPod | undefined>;
  end(): Promise<void>;
}

const never = new AbortController().signal;
/** Real file operations take fake time too, as the clock goes on meanwhile: no limit may be reached by that. */
const NO_LIMIT_MS = 1e12;
/** Steps of the clock while a plan runs; how exact `tookMs` is where no files are touched. */
const TICK_MS = 10;

export async function makeWorld(options: { script?: Script; prepares?: boolean; deps?: Partial<ExecutorDeps> } = {}): Promise<World> {
  const directory = await mkdtemp(path.join(tmpdir(), 'executor-'));
  const clock = new FakeClock();
  const events: string[] = [];
  const created: ContainerConfig[] = [];
  const script: Script = {
    ...options.script,
    container: (config, sandbox) => {
      if (created.at(-1) !== config && !created.includes(config)) created.push(config);
      return options.script?.container?.(config, sandbox) ?? {};
    },
  };
  const runtime = new MemoryRuntime({ clock, script, ...(options.prepares === undefined ? {} : { prepares: options.prepares }) });
  const pleg = createPleg({ runtime, clock, logger: silentLogger });
  const executor = createExecutor({
    runtime,
    images: { ensureImage: async ({ container }) => ({ imageId: `id-of-${container.image ?? ''}` }) },
    volumes: { mount: async () => new Map(), resolveSubPath: async (_pod, volume) => volume.hostPath, unmount: async () => undefined },
    cgroups: {
      ensurePodCgroup: async () => '/kubepods',
      removePodCgroup: async () => undefined,
      containerResources: () => ({ cpuShares: 2 }),
    },
    dns: {
      dnsConfig: () => undefined,
      sandboxHostname: (pod) => pod.metadata.name,
      hostsFile: (_pod, ips) => `hosts of ${ips.join(',')}\n`,
    },
    objects: { configMap: async () => undefined, secret: async () => undefined, services: async () => [] },
    runtimeClasses: { handler: async (name) => `handler-of-${name}` },
    hooks: { run: async () => undefined },
    events: { event: (about, type, reason, message) => events.push(`${about.fieldPath ?? about.kind} ${type} ${reason}: ${message}`) },
    node: { nodeName: 'n1', hostIPs: () => ['192.0.2.1'], allocatable: () => ({ cpu: '2' }) },
    paths: {
      podDirectory: (uid) => path.join(directory, 'pods', uid),
      podLogDirectory: ({ metadata }) => path.join(directory, 'logs', `${metadata.namespace}_${metadata.name}_${metadata.uid}`),
      containerLogDirectory: path.join(directory, 'links'),
    },
    settings: { runtimeRequestTimeoutMs: NO_LIMIT_MS, seccompDefault: false, seccompProfileRoot: '/seccomp', selinuxEnabled: false },
    clock,
    logger: silentLogger,
    ...options.deps,
  });
  return {
    directory,
    clock,
    runtime,
    events,
    created,
    observed: () => pleg.refresh('uid-1', never),
    async run(actions, { pod = makePod(), signal = never, holdClockUntil = () => true } = {}) {
      const observed = await pleg.refresh('uid-1', never);
      const started = clock.monotonic();
      let result: ExecutionResult | undefined;
      const executing = executor.execute({ pod, observed }, actions, signal).then((finished) => (result = finished));
      while (result === undefined) await (holdClockUntil() ? clock.advance(TICK_MS) : settle());
      return { ...(await executing), tookMs: clock.monotonic() - started };
    },
    end: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The plan for a pod that is new. */
export function startPlan(pod: Pod): Action[] {
  return [
    { kind: 'prepareVolumes', reason: '' },
    { kind: 'createSandbox', reason: '', attempt: 0 },
    ...pod.spec.containers.map(({ name }): Action => ({
      kind: 'startContainer',
      reason: '',
      container: name,
      containerKind: 'app',
      attempt: 0,
    })),
  ];
}

/** The plan for a pod that is to be gone. */
export function stopPlan(observed: ObservedPod | undefined, graceSeconds = 30): Action[] {
  const containers = observed?.containers ?? [];
  const sandboxes = observed?.sandboxes ?? [];
  return [
    ...containers.map((status): Action => ({
      kind: 'stopContainer',
      reason: '',
      id: status.id,
      container: status.metadata.name,
      graceSeconds,
      message: '',
    })),
    ...sandboxes.map(({ id }): Action => ({ kind: 'stopSandbox', reason: '', id })),
    ...containers.map((status): Action => ({ kind: 'removeContainer', reason: '', id: status.id, container: status.metadata.name })),
    ...sandboxes.map(({ id }): Action => ({ kind: 'removeSandbox', reason: '', id })),
    { kind: 'cleanUp', reason: '' },
  ];
}
