import path from 'node:path';
import { FailedPreconditionError, NotFoundError, errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type {
  Container,
  ContainerConfig,
  ContainerFilter,
  ContainerStatus,
  LinuxContainerResources,
  PodSandboxConfig,
} from '../runtime/types.ts';
import { containerSpec } from './container-config.ts';
import { interpretState } from './container-state.ts';
import type { ContainerView, ViewEntry } from './container-view.ts';
import type { DockerEngine } from './engine.ts';
import type { Connection, EngineLink } from './engine-link.ts';
import type { ImageCache } from './image-cache.ts';
import { engineLogFile, linkLog, pointsTo, unlinkLog } from './log-link.ts';
import { makeMountSources } from './mount-config.ts';
import { isRefusal } from './engine-errors.ts';
import { createNamed } from './named-create.ts';
import { containerName } from './names.ts';
import { outsideResources, writeOutsideResources, type OutsideResources } from './outside-resources.ts';
import { containerRecord, encodeRecord, type ContainerRecord } from './records.ts';
import { engineResources } from './resource-config.ts';
import type { EngineContext } from './sandbox-config.ts';
import { matchesRecord, toContainer, toContainerStatus } from './statuses.ts';

export interface ContainersOptions {
  readonly engine: DockerEngine;
  readonly view: ContainerView;
  readonly link: EngineLink;
  readonly images: ImageCache;
  readonly instanceId: string;
  readonly contextOf: (connection: Connection) => EngineContext;
  readonly logger: Logger;
}

/** A container of ours with what was recorded of it. */
export interface KnownContainer {
  readonly inspection: ViewEntry['inspection'];
  readonly record: ContainerRecord;
}

/** The container verbs of RuntimeService. */
export class Containers {
  readonly #options: ContainersOptions;
  /** By id, from creation to start: what the engine cannot set and must be written once the container has a cgroup. */
  readonly #outside = new Map<string, OutsideResources>();

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  async create(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    const { link, view, instanceId, contextOf } = this.#options;
    const connection = await link.connected(signal);
    const sandboxRecord = view.recordOf(sandboxId) ?? (await view.get(sandboxId, signal))?.record;
    if (sandboxRecord?.kind !== 'sandbox') throw new NotFoundError(`pod sandbox ${sandboxId} does not exist`);
    const record = containerRecord(sandboxId, config, config.logPath === '' ? '' : path.join(sandbox.logDirectory, config.logPath));
    const place = { id: sandboxId, config: sandbox, runtimeHandler: sandboxRecord.runtimeHandler };
    const [spec] = await Promise.all([
      containerSpec(config, place, encodeRecord(instanceId, record), contextOf(connection)),
      makeMountSources(config.mounts),
    ]);
    const outside = outsideResources(config.linux.resources);
    const id = await createNamed(containerName(sandbox.metadata, config.metadata), spec, this.#options, signal);
    if (outside !== undefined) this.#outside.set(id, outside);
    view.noteCreated(id, record);
    return id;
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    const { engine, link, view, logger } = this.#options;
    const { info } = await link.connected(signal);
    const record = await this.#recordOf(id, signal);
    // Beside the start: whoever follows the log finds it as soon as the container runs.
    const linked = linkLog(record, engineLogFile(info.rootDirectory, id)).catch((error: unknown) => {
      logger.warn('Cannot link a container log', { id, path: record.logPath, error: errorMessage(error) });
    });
    try {
      await view.act(id, 'start', () => engine.startContainer(id, signal));
    } catch (error) {
      this.#outside.delete(id);
      // The engine sends no event for a start that failed, but its container now says why.
      if (isRefusal(error)) await view.refresh(id).catch(() => undefined);
      throw error;
    } finally {
      await linked;
    }
    await this.#writeOutside(id, signal);
  }

  async stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const { engine, link, view } = this.#options;
    await link.connected(signal);
    const entry = await view.get(id, signal);
    if (entry === undefined || interpretState(entry.inspection).state !== 'running') return;
    await ignoreNotFound(
      view.act(id, 'die', () => (graceSeconds > 0 ? engine.stopContainer(id, graceSeconds, signal) : engine.killContainer(id, signal))),
    );
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    const { engine, link, view } = this.#options;
    await link.connected(signal);
    const record = view.recordOf(id) ?? (await view.get(id, signal))?.record;
    if (record === undefined) return;
    if (record.kind !== 'container') throw new NotFoundError(`container ${id} does not exist: it is a pod sandbox`);
    this.#outside.delete(id);
    await engine.removeContainer(id, { force: true }, signal);
    view.noteRemoved(id);
    await unlinkLog(record, id);
  }

  async list(filter: ContainerFilter, signal: AbortSignal): Promise<Container[]> {
    const { link, view, images } = this.#options;
    await link.connected(signal);
    const entries = await view.list((record, id) => record.kind === 'container' && matchesRecord(filter, record, id), signal);
    const containers = await Promise.all(
      entries.map(async ({ inspection, record }) =>
        record.kind === 'container' ? toContainer(inspection, record, await images.get(inspection.imageId, signal)) : undefined,
      ),
    );
    return containers.filter((one) => one !== undefined).filter((one) => filter.state === undefined || one.state === filter.state);
  }

  async status(id: string, signal: AbortSignal): Promise<ContainerStatus> {
    return this.describe(await this.known(id, signal), signal);
  }

  /** The status of an entry as it is, without asking about the container. */
  async describe({ inspection, record }: KnownContainer, signal: AbortSignal): Promise<ContainerStatus> {
    return toContainerStatus(inspection, record, await this.#options.images.get(inspection.imageId, signal));
  }

  async updateResources(id: string, resources: LinuxContainerResources, signal: AbortSignal): Promise<void> {
    const { engine, view } = this.#options;
    const { inspection } = await this.known(id, signal);
    const wanted = engineResources(resources);
    if (Object.keys(wanted).length > 0) await view.act(id, 'update', () => engine.updateContainer(id, wanted, signal));
    const outside = outsideResources(resources);
    if (outside !== undefined && inspection.pid > 0) await writeOutsideResources(inspection.pid, outside);
  }

  /** @throws FailedPreconditionError: the engine rotates by itself and cannot be told to (dockershim logs.go) */
  async reopenLog(id: string, signal: AbortSignal): Promise<void> {
    const { link } = this.#options;
    const { info } = await link.connected(signal);
    const { record, inspection } = await this.known(id, signal);
    if (interpretState(inspection).state !== 'running') throw new FailedPreconditionError(`container ${id} is not running`);
    const target = engineLogFile(info.rootDirectory, id);
    if (record.logPath !== '' && !(await pointsTo(record.logPath, target))) {
      await linkLog(record, target);
      return;
    }
    throw new FailedPreconditionError(`the log of container ${id} is rotated by Docker Engine, which cannot be told to reopen it`);
  }

  /** @throws NotFoundError */
  async known(id: string, signal: AbortSignal): Promise<KnownContainer> {
    const { link, view } = this.#options;
    await link.connected(signal);
    const entry = await view.get(id, signal);
    if (entry?.record.kind !== 'container') throw new NotFoundError(`container ${id} does not exist`);
    return { inspection: entry.inspection, record: entry.record };
  }

  async #recordOf(id: string, signal: AbortSignal): Promise<ContainerRecord> {
    const record = this.#options.view.recordOf(id);
    return record?.kind === 'container' ? record : (await this.known(id, signal)).record;
  }

  async #writeOutside(id: string, signal: AbortSignal): Promise<void> {
    const outside = this.#outside.get(id);
    if (outside === undefined) return;
    this.#outside.delete(id);
    const { inspection } = await this.known(id, signal);
    if (inspection.pid > 0) await writeOutsideResources(inspection.pid, outside);
  }
}

async function ignoreNotFound(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (errorCode(error) !== 'NotFound') throw error;
  }
}
