/** Gathers what the node's status is made of, cheaply: what is costly is asked again only when it may have changed. */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { nodeResources } from '../resources/allocatable.ts';
import type { CgroupHierarchy } from '../resources/cgroups/hierarchy.ts';
import type { FilesystemFacts } from '../resources/filesystem.ts';
import { readText, type MachineFacts } from '../resources/machine.ts';
import type { PressureMonitor, PressureType } from '../resources/pressure.ts';
import { readSignals } from '../resources/signals.ts';
import type { Image, VersionInfo } from '../runtime/types.ts';
import { nodeAddresses, type AddressFacts, type NodeAddress } from './addresses.ts';
import type { NodeFacts } from './node-status.ts';
import { RuntimeHealth } from './runtime-health.ts';
import type { NodeImagePort, NodeReports, NodeRuntimePort, NodeSettings, NodeStoragePort } from './types.ts';

export interface NodeFactsDeps {
  readonly settings: NodeSettings;
  readonly machine: MachineFacts;
  readonly hierarchy: CgroupHierarchy | undefined;
  readonly runtime: NodeRuntimePort;
  readonly images: NodeImagePort;
  readonly storage: NodeStoragePort;
  readonly reports: NodeReports;
  readonly pressure: PressureMonitor;
  readonly addressFacts: AddressSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Reads interfaces and routes; the machine's own unless a test has others. */
export type AddressSource = (signal: AbortSignal) => Promise<AddressFacts>;

/** Each question to the runtime. A wedged engine must not stop the node's reports. */
const RUNTIME_DEADLINE_MS = 5_000;
/** The list of images is read again after this, if nobody said that it has changed: it is long, and others may pull. */
const IMAGES_MAX_AGE_MS = 5 * 60_000;
/** A name service that does not answer must not hold up the node. */
const LOOKUP_DEADLINE_MS = 1_000;

export class NodeFactsSource {
  readonly #deps: NodeFactsDeps;
  readonly #health: RuntimeHealth;
  readonly #warned = new Map<string, string>();
  #version: VersionInfo | undefined;
  #images: readonly Image[] = [];
  #imagesReadAt: number | undefined;
  #addresses: readonly NodeAddress[] = [];
  #nodeFs: FilesystemFacts | undefined;

  constructor(deps: NodeFactsDeps) {
    this.#deps = deps;
    this.#health = new RuntimeHealth(deps.clock);
  }

  /** Images have come or gone: they are read again at the next look. */
  imagesChanged(): void {
    this.#imagesReadAt = undefined;
  }

  get addresses(): readonly NodeAddress[] {
    return this.#addresses;
  }

  /** Looks at everything once. Never rejects but for an abort: what cannot be read makes the node not ready, or stays as it was. */
  async read(signal: AbortSignal): Promise<NodeFacts> {
    const { settings, machine, reports, pressure } = this.#deps;
    const [, addressError] = await Promise.all([
      this.#readRuntime(signal).then(() => this.#readPressure(signal)),
      this.#readAddresses(signal),
    ]);
    const storageError =
      this.#nodeFs === undefined && settings.resources.ephemeralStorage ? ['missing node capacity for resources: ephemeral-storage'] : [];
    return {
      machine,
      resources: nodeResources(machine, this.#nodeFs?.capacityBytes, settings.resources),
      addresses: this.#addresses,
      runtime: this.#version,
      handlers: this.#health.handlers,
      features: this.#health.features,
      images: this.#images,
      volumesInUse: reports.volumesInUse(),
      pressures: new Set(PRESSURES.filter((type) => pressure.isUnder(type))),
      notReadyReasons: [...this.#health.errors(), ...storageError, ...addressError, ...reports.notReadyReasons()],
    };
  }

  async #readRuntime(signal: AbortSignal): Promise<void> {
    const { runtime, images, clock } = this.#deps;
    const ask = <T>(stage: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
      withDeadline(clock, stage, RUNTIME_DEADLINE_MS, signal, work);
    await this.#attempt('The container runtime does not answer', signal, async () => {
      const status = await ask('runtime status', (inner) => runtime.status({}, inner));
      const wasReady = this.#health.errors().length === 0;
      this.#health.answered(status);
      const isReady = this.#health.errors().length === 0;
      // After an outage it may be another version, with other images.
      if (this.#version === undefined || (isReady && !wasReady)) {
        this.#version = await ask('runtime version', (inner) => runtime.version(inner));
        this.imagesChanged();
      }
    });
    if (this.#health.errors().length > 0 || !this.#imagesAreOld()) return;
    await this.#attempt('The list of images cannot be read', signal, async () => {
      this.#images = await ask('image list', (inner) => images.listImages({}, inner));
      this.#imagesReadAt = clock.monotonic();
    });
  }

  #imagesAreOld(): boolean {
    return this.#imagesReadAt === undefined || this.#deps.clock.monotonic() - this.#imagesReadAt >= IMAGES_MAX_AGE_MS;
  }

  /** The addresses of before stay when there are no better ones; without any, the reason. */
  async #readAddresses(signal: AbortSignal): Promise<string[]> {
    const { settings, addressFacts } = this.#deps;
    const error = await this.#attempt('The addresses of the node cannot be told', signal, async () => {
      this.#addresses = nodeAddresses(settings.nodeIPs, settings.hostname, await addressFacts(signal));
    });
    return error !== undefined && this.#addresses.length === 0 ? [error] : [];
  }

  async #readPressure(signal: AbortSignal): Promise<void> {
    const { storage, hierarchy, pressure, log } = this.#deps;
    await this.#attempt('The pressure on the node cannot be measured', signal, async () => {
      this.#nodeFs = await storage.nodeFs(signal);
      const imageFs = await this.#readImageFs(signal);
      const before = PRESSURES.filter((type) => pressure.isUnder(type));
      const observations = await readSignals({ hierarchy, nodeFs: async () => this.#nodeFs, imageFs: async () => imageFs });
      for (const crossed of pressure.observe(observations)) {
        if (!before.includes(crossed.pressure)) log.warn('The node is under pressure', { ...crossed });
      }
    });
  }

  /** The other signals do not wait for a runtime that is away. */
  async #readImageFs(signal: AbortSignal): Promise<FilesystemFacts | undefined> {
    const { storage, clock } = this.#deps;
    if (this.#health.errors().length > 0) return undefined;
    let imageFs: FilesystemFacts | undefined;
    await this.#attempt('The file system of the images cannot be told', signal, async () => {
      imageFs = await withDeadline(clock, 'image file system', RUNTIME_DEADLINE_MS, signal, (inner) => storage.imageFs(inner));
    });
    return imageFs;
  }

  /** Runs it; a failure is logged once for each new message and answered. */
  async #attempt(what: string, signal: AbortSignal, work: () => Promise<void>): Promise<string | undefined> {
    try {
      await work();
      if (this.#warned.delete(what)) this.#deps.log.info('It works again', { after: what });
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const message = errorMessage(error);
      if (this.#warned.get(what) !== message) this.#deps.log.warn(what, { error: message });
      this.#warned.set(what, message);
      return message;
    }
  }
}

const PRESSURES: readonly PressureType[] = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The machine's interfaces and routes at each look; the name is looked up once. */
export function hostAddressSource(nodeName: string, clock: Clock): AddressSource {
  let resolved: Promise<readonly string[]> | undefined;
  return async (signal) => {
    resolved ??= withDeadline(clock, `lookup of ${nodeName}`, LOOKUP_DEADLINE_MS, signal, async () =>
      (await lookup(nodeName, { all: true })).map(({ address }) => address),
    ).catch(() => []); // an unknown name is usual: the default route decides then
    return {
      interfaces: networkInterfaces(),
      routes: { ipv4: await readText('/proc/net/route'), ipv6: await readText('/proc/net/ipv6_route') },
      resolved: await resolved,
    };
  };
}
