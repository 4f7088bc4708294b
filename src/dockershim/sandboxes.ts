import { FailedPreconditionError, NotFoundError, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { SandboxNetwork, SandboxNetworkRequest } from '../network/sandbox-network.ts';
import type { PodSandbox, PodSandboxConfig, PodSandboxFilter, PodSandboxStatus, PreparedSandbox } from '../runtime/types.ts';
import { interpretState, sandboxState } from './container-state.ts';
import type { ContainerView, ViewEntry } from './container-view.ts';
import type { DockerEngine } from './engine.ts';
import type { Connection, EngineLink } from './engine-link.ts';
import { isRefusal } from './engine-errors.ts';
import { createNamed } from './named-create.ts';
import { sandboxName } from './names.ts';
import { encodeRecord, sandboxRecord, type SandboxRecord } from './records.ts';
import { writeResolvConf } from './resolv-conf.ts';
import type { SandboxCheckpoints } from './sandbox-checkpoints.ts';
import { sandboxSpec, type EngineContext } from './sandbox-config.ts';
import type { SandboxImage } from './sandbox-image.ts';
import { matchesSandbox, toPodSandbox, toPodSandboxStatus, type SandboxFacts } from './statuses.ts';

export interface SandboxesOptions {
  readonly engine: DockerEngine;
  readonly view: ContainerView;
  readonly link: EngineLink;
  readonly network: SandboxNetwork;
  readonly checkpoints: SandboxCheckpoints;
  readonly image: SandboxImage;
  readonly instanceId: string;
  readonly contextOf: (connection: Connection) => EngineContext;
  readonly removeContainer: (id: string, signal: AbortSignal) => Promise<void>;
  /** The sandbox's processes are gone: whoever dials into its network may let go. */
  readonly onStopped: (sandboxId: string, pid: number) => void;
  readonly logger: Logger;
}

/** The pod sandbox verbs of RuntimeService. */
export class Sandboxes {
  readonly #options: SandboxesOptions;
  /** Sandboxes whose start failed: should they run after all, they lack their network or their DNS. */
  readonly #unfinished = new Set<string>();

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  async run(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const prepared = await this.prepare(config, runtimeHandler, signal);
    await prepared.start(signal);
    return prepared.id;
  }

  async prepare(config: PodSandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<PreparedSandbox> {
    const { engine, view, link, network, image, checkpoints, instanceId, contextOf } = this.#options;
    const context = contextOf(await link.connected(signal));
    const readiness = network.readiness();
    if (!readiness.ready && config.linux.securityContext.namespaceOptions.network !== 'node') {
      throw new FailedPreconditionError(readiness.message);
    }
    const record = sandboxRecord(config, runtimeHandler);
    const labels = encodeRecord(instanceId, record);
    const name = sandboxName(config.metadata);
    const id = await image.whenPresent((reference) => {
      const spec = sandboxSpec(config, { image: reference, labels, runtimeHandler, networkMode: network.mode, context });
      return createNamed(name, spec, { engine, view, instanceId }, signal);
    }, signal);
    view.noteCreated(id, record);
    // On its way to the disk while the sandbox starts; the network waits for it.
    const checkpointed = checkpoints.put(id, { record });
    checkpointed.catch(() => undefined);
    return { id, start: (startSignal) => this.#start(id, record, checkpointed, startSignal) };
  }

  async stop(id: string, signal: AbortSignal): Promise<void> {
    const { engine, view, link } = this.#options;
    await link.connected(signal);
    const entry = await view.get(id, signal);
    if (entry === undefined) {
      await this.#tearDown(id, undefined, signal);
      return;
    }
    // The network first, while there is a namespace to take it from.
    await this.#tearDown(id, entry, signal);
    const members = await view.list((record) => record.kind === 'container' && record.sandboxId === id, signal);
    const alive = [entry, ...members].filter(({ inspection }) => interpretState(inspection).state !== 'exited');
    await all(alive.map(({ inspection }) => view.act(inspection.id, 'die', () => engine.killContainer(inspection.id, signal))));
    this.#options.onStopped(id, entry.inspection.pid);
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    const { engine, view, link, checkpoints, removeContainer } = this.#options;
    await link.connected(signal);
    const entry = await view.get(id, signal);
    if (entry !== undefined && interpretState(entry.inspection).state === 'running') await this.stop(id, signal);
    else await this.#tearDown(id, entry, signal);
    const members = await view.list((record) => record.kind === 'container' && record.sandboxId === id, signal);
    await all(members.map(({ inspection }) => removeContainer(inspection.id, signal)));
    if (entry !== undefined) {
      await engine.removeContainer(id, { force: true }, signal);
      view.noteRemoved(id);
    }
    this.#unfinished.delete(id);
    await checkpoints.remove(id);
  }

  async status(id: string, signal: AbortSignal): Promise<PodSandboxStatus> {
    const { view, link } = this.#options;
    await link.connected(signal);
    const facts = this.factsOf(id, await view.get(id, signal));
    if (facts === undefined) throw new NotFoundError(`pod sandbox ${id} does not exist`);
    return toPodSandboxStatus(facts);
  }

  async list(filter: PodSandboxFilter, signal: AbortSignal): Promise<PodSandbox[]> {
    const { view, link, checkpoints } = this.#options;
    await link.connected(signal);
    const entries = await view.list((record) => record.kind === 'sandbox', signal);
    const present = new Set(entries.map(({ inspection }) => inspection.id));
    // Somebody has removed their containers: they are told of until their network is taken down.
    const orphans = checkpoints.entries().filter(([id]) => !present.has(id) && view.recordOf(id) === undefined);
    const all = [
      ...entries.map((entry) => this.factsOf(entry.inspection.id, entry)),
      ...orphans.map(([id]) => this.factsOf(id, undefined)),
    ];
    return all
      .filter((facts) => facts !== undefined && matchesSandbox(filter, facts))
      .flatMap((facts) => (facts ? [toPodSandbox(facts)] : []));
  }

  /** What an entry says of a sandbox, or its checkpoint when there is no entry. */
  factsOf(id: string, entry: ViewEntry | undefined): SandboxFacts | undefined {
    const checkpoint = this.#options.checkpoints.get(id);
    if (entry === undefined) {
      return checkpoint === undefined ? undefined : { id, record: checkpoint.record, state: 'notready', createdAt: 0n, ips: [] };
    }
    const { inspection, record } = entry;
    if (record.kind !== 'sandbox') return undefined;
    const { createdAt } = inspection;
    const running = sandboxState(inspection) === 'ready' && !this.#unfinished.has(id);
    if (record.namespaceOptions.network === 'node') return { id, record, state: running ? 'ready' : 'notready', createdAt, ips: [] };
    const ips = this.#options.network.mode === 'engine' ? inspection.ips : checkpoint?.network?.ips;
    const ready = running && ips !== undefined;
    return { id, record, state: ready ? 'ready' : 'notready', createdAt, ips: ready ? ips : [] };
  }

  /** Completes what a crash may have interrupted: sandboxes that run but still have the engine's resolv.conf. */
  async adopt(signal: AbortSignal): Promise<void> {
    const { view, network, checkpoints, logger } = this.#options;
    const entries = await view.list((record) => record.kind === 'sandbox', signal);
    for (const { inspection, record } of entries) {
      if (record.kind !== 'sandbox' || sandboxState(inspection) !== 'ready') continue;
      try {
        if (record.dnsConfig !== undefined) await writeResolvConf(inspection.resolvConfPath, record.dnsConfig);
        const state = checkpoints.get(inspection.id)?.network;
        if (state !== undefined) await network.check?.(networkRequest(inspection.id, record, inspection.pid), state, signal);
      } catch (error) {
        logger.warn('A sandbox that was found running is not as it should be', { sandbox: inspection.id, error: errorMessage(error) });
      }
    }
  }

  async #start(id: string, record: SandboxRecord, checkpointed: Promise<void>, signal: AbortSignal): Promise<void> {
    const { engine, view } = this.#options;
    try {
      await view.act(id, 'start', () => engine.startContainer(id, signal));
    } catch (error) {
      this.#unfinished.add(id);
      // Refused, it does not run. Otherwise it may come up yet, and nobody should wait for it here.
      if (!isRefusal(error)) void this.#abandon(id);
      throw error;
    }
    try {
      const entry = await view.get(id, signal);
      if (entry === undefined) throw new NotFoundError(`pod sandbox ${id} was removed while it started`);
      if (record.dnsConfig !== undefined) await writeResolvConf(entry.inspection.resolvConfPath, record.dnsConfig);
      await checkpointed;
      if (record.namespaceOptions.network !== 'node') await this.#setUpNetwork(id, record, entry, signal);
    } catch (error) {
      this.#unfinished.add(id);
      await this.#abandon(id);
      throw error;
    }
  }

  async #setUpNetwork(id: string, record: SandboxRecord, entry: ViewEntry, signal: AbortSignal): Promise<void> {
    const { network, checkpoints } = this.#options;
    const state = await network.setUp(networkRequest(id, record, entry.inspection.pid), signal);
    if (state !== undefined) await checkpoints.put(id, { record, network: state });
  }

  /** A sandbox whose setting up failed must not look ready. The caller's signal may be what ended it, so it has its own. */
  async #abandon(id: string): Promise<void> {
    try {
      await this.stop(id, new AbortController().signal);
    } catch (error) {
      this.#options.logger.warn('Cannot stop a sandbox whose start failed', { sandbox: id, error: errorMessage(error) });
    }
  }

  async #tearDown(id: string, entry: ViewEntry | undefined, signal: AbortSignal): Promise<void> {
    const { network, checkpoints } = this.#options;
    const checkpoint = checkpoints.get(id);
    const record = checkpoint?.record ?? entry?.record;
    if (network.mode === 'engine' || record?.kind !== 'sandbox' || record.namespaceOptions.network === 'node') return;
    if (checkpoint?.networkDown === true) return;
    await network.tearDown(networkRequest(id, record, entry?.inspection.pid ?? 0), checkpoint?.network, signal);
    if (checkpoint !== undefined) await checkpoints.put(id, { record, networkDown: true });
  }
}

function networkRequest(sandboxId: string, record: SandboxRecord, pid: number): SandboxNetworkRequest {
  const { name, namespace, uid } = record.metadata;
  return {
    sandboxId,
    name,
    namespace,
    uid,
    annotations: record.annotations,
    portMappings: record.portMappings,
    ...(pid > 0 ? { netnsPath: `/proc/${String(pid)}/ns/net` } : {}),
  };
}

/** Waits for every one, then throws the first failure: none may go on behind the caller's back. */
async function all(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
