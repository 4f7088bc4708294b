import { containerReference, podReference } from '../api/object-reference.ts';
import type { Pod } from '../api/types.ts';
import { withDeadline } from '../lib/abort.ts';
import type { Action, ExecutionContext, ObservedPod } from '../pods/types.ts';
import type { ExecutorDeps } from './executor-deps.ts';
import { writeHostsFile } from './pod-files.ts';
import { setUpPod } from './pod-setup.ts';
import { sandboxConfig } from './sandbox-config.ts';
import { TerminationOrder } from './termination-order.ts';
import type { PodSandboxConfig, PodSandboxStatus } from './types.ts';

/** A step that was not tried, or was given up, because something that it needs is not there. */
export class SkippedError extends Error {
  constructor(because: string) {
    super(because);
    this.name = 'SkippedError';
  }
}

/** The sandbox that a plan creates, as those see it who wait for it. */
export interface NewSandbox {
  /** Its id, as soon as containers can be created in it. */
  readonly created: PromiseWithResolvers<string>;
  /** Its addresses, as soon as it runs with its network. */
  readonly ready: PromiseWithResolvers<readonly string[]>;
  /** Set when it is about to be removed again: nothing more is created in it. */
  failed: boolean;
}

/** Everything that the steps of one plan share. What takes a call to somebody else is worked out once, when it is first asked for. */
export class Execution {
  readonly deps: ExecutorDeps;
  /** Of this machine. */
  readonly maskedPaths: readonly string[];
  readonly pod: Pod;
  readonly observed: ObservedPod | undefined;
  /** Set when the plan creates a sandbox. */
  readonly newSandbox: NewSandbox | undefined;
  readonly terminationOrder: TerminationOrder;
  /** The cgroup that the runtime puts the pod's containers under. */
  readonly cgroupParent: () => Promise<string>;
  /** The pod's cgroup, directories and volumes; its failure has been told as an event. */
  readonly volumes: () => ReturnType<typeof setUpPod>;
  /** Empty is the runtime's default. */
  readonly runtimeHandler: () => Promise<string>;
  readonly #newAttempt: number;
  readonly #volumesArePlanned: boolean;
  readonly #creations = new Set<Promise<string>>();
  readonly #sandboxConfigs = new Map<string | undefined, Promise<PodSandboxConfig>>();

  constructor(
    deps: ExecutorDeps,
    maskedPaths: readonly string[],
    { pod, observed }: ExecutionContext,
    actions: readonly Action[],
    signal: AbortSignal,
  ) {
    this.deps = deps;
    this.maskedPaths = maskedPaths;
    this.pod = pod;
    this.observed = observed;
    const creation = actions.find((action) => action.kind === 'createSandbox');
    this.newSandbox = creation === undefined ? undefined : newSandbox();
    this.#newAttempt = creation?.attempt ?? 0;
    this.#volumesArePlanned = actions.some((action) => action.kind === 'prepareVolumes');
    this.terminationOrder = new TerminationOrder(
      pod,
      actions.flatMap((action) => (action.kind === 'stopContainer' ? [action.container] : [])),
    );
    this.cgroupParent = once(() => deps.cgroups.ensurePodCgroup(pod, signal));
    this.volumes = once(() => setUpPod(deps, pod, this.cgroupParent, signal));
    const { runtimeClassName = '' } = pod.spec;
    this.runtimeHandler = once(async () => (runtimeClassName === '' ? '' : deps.runtimeClasses.handler(runtimeClassName, signal)));
  }

  get podDirectory(): string {
    return this.deps.paths.podDirectory(this.pod.metadata.uid);
  }

  /** For steps that need the volumes. Their failure is that of the step that sets them up, if the plan has one. */
  async requireVolumes(): Promise<void> {
    try {
      await this.volumes();
    } catch (error) {
      throw this.#volumesArePlanned ? new SkippedError('the volumes are not in place') : error;
    }
  }

  /** One call to the runtime within the limit that every call has; `stage` is named when the limit is reached. */
  call<T>(stage: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>, extraMs = 0): Promise<T> {
    const { clock, settings } = this.deps;
    return withDeadline(clock, stage, settings.runtimeRequestTimeoutMs + extraMs, signal, work);
  }

  podEvent(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.deps.events.event(podReference(this.pod), type, reason, message);
  }

  /** The container's id is replaced by its name: every id would make another event of it. */
  containerEvent(container: string, type: 'Normal' | 'Warning', reason: string, message: string, containerId = ''): void {
    const text = containerId === '' ? message : message.replaceAll(containerId, container);
    this.deps.events.event(containerReference(this.pod, container), type, reason, text);
  }

  /** What the sandbox of that id was asked to be, or the one that this plan creates. */
  sandboxConfig(existing?: string): Promise<PodSandboxConfig> {
    const known = this.#sandboxConfigs.get(existing);
    if (known) return known;
    const config = this.#makeSandboxConfig(existing);
    config.catch(() => undefined); // each who asks is told
    this.#sandboxConfigs.set(existing, config);
    return config;
  }

  /** The sandbox a container goes into, as soon as it can be created there. */
  async sandboxId(existing: string | undefined): Promise<string> {
    if (existing !== undefined) return existing;
    if (this.newSandbox === undefined) throw new SkippedError('the plan has no sandbox to start it in');
    return this.newSandbox.created.promise;
  }

  /** Creates a container in a sandbox, unless that is a new one that has failed. */
  async createIn(existing: string | undefined, create: () => Promise<string>): Promise<string> {
    if (existing === undefined && this.newSandbox?.failed === true) throw new SkippedError('the sandbox could not be created');
    const creation = create();
    this.#creations.add(creation);
    try {
      return await creation;
    } finally {
      this.#creations.delete(creation);
    }
  }

  /** Resolves when every creation that is under way has ended. */
  async creationsEnded(): Promise<void> {
    await Promise.allSettled(this.#creations);
  }

  /** Resolves when the sandbox runs: the pod's addresses, the primary first. The hosts file has been written with them. */
  async podIPs(existing: string | undefined): Promise<readonly string[]> {
    const sandboxIPs = existing === undefined ? await this.newSandbox?.ready.promise : this.#observedSandbox(existing)?.ips;
    const podIPs = this.addresses(sandboxIPs ?? []);
    await writeHostsFile(this.podDirectory, this.deps.dns.hostsFile(this.pod, podIPs));
    return podIPs;
  }

  /** With host networking a pod has the node's addresses. */
  addresses(sandboxIPs: readonly string[]): readonly string[] {
    return this.pod.spec.hostNetwork === true ? this.deps.node.hostIPs() : sandboxIPs;
  }

  async #makeSandboxConfig(existing: string | undefined): Promise<PodSandboxConfig> {
    const { dns, paths } = this.deps;
    const attempt = existing === undefined ? this.#newAttempt : (this.#observedSandbox(existing)?.metadata.attempt ?? 0);
    return sandboxConfig({
      pod: this.pod,
      attempt,
      hostname: this.pod.spec.hostNetwork === true ? '' : dns.sandboxHostname(this.pod),
      dnsConfig: dns.dnsConfig(this.pod),
      logDirectory: paths.podLogDirectory(this.pod),
      cgroupParent: await this.cgroupParent(),
    });
  }

  #observedSandbox(id: string): PodSandboxStatus | undefined {
    return this.observed?.sandboxes.find((sandbox) => sandbox.id === id);
  }
}

function newSandbox(): NewSandbox {
  const created = Promise.withResolvers<string>();
  const ready = Promise.withResolvers<readonly string[]>();
  for (const { promise } of [created, ready]) promise.catch(() => undefined); // nothing may be started in it
  return { created, ready, failed: false };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    if (answer === undefined) {
      answer = work();
      answer.catch(() => undefined); // each who asks is told
    }
    return answer;
  };
}
