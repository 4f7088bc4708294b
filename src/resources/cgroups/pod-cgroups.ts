/** The cgroups of the node: `kubepods`, one for each QoS class, one for each pod (kubelet pkg/kubelet/cm). */
import type { AnyContainerSpec, Pod } from '../../api/types.ts';
import type { Clock } from '../../lib/clock.ts';
import { FailedPreconditionError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { LinuxContainerResources } from '../../runtime/types.ts';
import { linuxContainerResources, type ContainerResourceFacts } from '../container-resources.ts';
import { MIN_SHARES, milliCpuToShares } from '../cpu.ts';
import { podCgroupLimits, type PodLimitSettings } from '../pod-limits.ts';
import { milliUnits, podRequests } from '../pod-resources.ts';
import { qosClassOf, type QosClass } from '../qos.ts';
import { CgroupFiles } from './cgroup-files.ts';
import type { CgroupHierarchy } from './hierarchy.ts';
import type { CgroupLimits } from './limits.ts';
import { cgroupParent, cgroupPath, parseCgroupPath, sliceName, type CgroupDriverName, type CgroupName } from './names.ts';
import { Slices, type RunCommand } from './slices.ts';

export interface PodCgroupSettings extends PodLimitSettings {
  /** Without, pods have no cgroup of their own and the runtime gets `cgroupRoot` as the parent (cgroupsPerQOS). */
  readonly cgroupsPerQos: boolean;
  /** cgroup below which `kubepods` lives; empty is the root (cgroupRoot). */
  readonly cgroupRoot: string;
  /** Of all pods together: what is left of the machine after the reservations. */
  readonly nodeLimits: CgroupLimits;
}

export interface PodCgroupDeps {
  readonly settings: PodCgroupSettings;
  readonly facts: ContainerResourceFacts;
  /** `undefined`, or one that may not be written: pods run below the engine's own cgroup. */
  readonly hierarchy: CgroupHierarchy | undefined;
  readonly writable: boolean;
  /** Which driver the engine uses; asked once, at the first pod. */
  readonly driver: (signal: AbortSignal) => Promise<CgroupDriverName>;
  readonly runCommand: RunCommand;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Page sizes of the QoS classes are not limited: the pods are. */
const UNLIMITED = Number.POSITIVE_INFINITY;

interface Drivers {
  readonly name: CgroupDriverName;
  readonly files: CgroupFiles;
  readonly slices: Slices | undefined;
}

/**
 * INVARIANTS
 * 1. A pod's cgroup exists, below those of its class, when `ensurePodCgroup` has resolved.
 * 2. Limits are written only when they differ from those written last.
 * 3. The shares of the burstable class are those of its pods' requests together.
 * 4. Only cgroups of pods that were named here are removed: others may live beside them.
 */
export class PodCgroups {
  readonly #deps: PodCgroupDeps;
  readonly #root: CgroupName;
  /** By UID. Entries go with `removePodCgroup`, so there are as many as pods. */
  readonly #pods = new Map<string, { readonly qosClass: QosClass; readonly limits: string; readonly cpuMillis: number }>();
  #started: Promise<Drivers> | undefined;
  #burstableShares = MIN_SHARES;
  #classUpdate: Promise<void> = Promise.resolve();

  constructor(deps: PodCgroupDeps) {
    this.#deps = deps;
    const root = parseCgroupPath(deps.settings.cgroupRoot);
    this.#root = deps.settings.cgroupsPerQos ? [...root, 'kubepods'] : root;
  }

  /** Creates or updates the pod's cgroup; answers the parent to give the runtime. @throws UnavailableError */
  async ensurePodCgroup(pod: Pod, signal: AbortSignal): Promise<string> {
    const { settings, facts } = this.#deps;
    if (!settings.cgroupsPerQos)
      return this.#deps.settings.cgroupRoot === '' ? '' : cgroupParent(this.#root, await this.#deps.driver(signal));
    const drivers = await this.#start(signal);
    if (drivers === undefined) return '';
    const qosClass = qosClassOf(pod);
    const limits = podCgroupLimits(pod, settings, facts);
    const name = this.#podName(pod.metadata.uid, qosClass);
    const text = JSON.stringify({ ...limits, hugePages: [...(limits.hugePages ?? [])] });
    if (this.#pods.get(pod.metadata.uid)?.limits !== text) {
      await this.#apply(drivers, name, limits, signal);
      this.#pods.set(pod.metadata.uid, { qosClass, limits: text, cpuMillis: milliUnits(podRequests(pod), 'cpu') });
      await this.#updateBurstable(drivers, signal);
    }
    return cgroupParent(name, drivers.name);
  }

  /** Success when there is none. @throws UnavailableError when it cannot be emptied */
  async removePodCgroup(podUid: string, signal: AbortSignal): Promise<void> {
    if (!this.#deps.settings.cgroupsPerQos) return;
    const drivers = await this.#start(signal);
    if (drivers === undefined) return;
    const known = this.#pods.get(podUid)?.qosClass;
    const classes: readonly QosClass[] = known === undefined ? ['Guaranteed', 'Burstable', 'BestEffort'] : [known];
    for (const qosClass of classes) {
      const name = this.#podName(podUid, qosClass);
      await drivers.slices?.stop(sliceName(name), signal);
      await drivers.files.remove(cgroupPath(name, drivers.name), signal);
    }
    this.#pods.delete(podUid);
    await this.#updateBurstable(drivers, signal);
  }

  /** Limits of one container, oom_score_adj included. */
  containerResources(pod: Pod, container: AnyContainerSpec): LinuxContainerResources {
    return linuxContainerResources(pod, container, this.#deps.settings, this.#deps.facts);
  }

  /** Where a pod's cgroup is below each mount, for statistics. `undefined` before its `ensurePodCgroup`. */
  async podCgroupPath(podUid: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#pods.get(podUid);
    const drivers = known === undefined ? undefined : await this.#start(signal);
    return known === undefined || drivers === undefined ? undefined : cgroupPath(this.#podName(podUid, known.qosClass), drivers.name);
  }

  /** When the agent ends: takes the shared cgroups away if no pod is left in them. */
  async removeIfEmpty(signal: AbortSignal): Promise<void> {
    if (this.#started === undefined) return;
    const { files, name, slices } = await this.#started;
    for (const cgroup of [this.#className('Burstable'), this.#className('BestEffort'), this.#root]) {
      if (slices === undefined) await files.removeIfEmpty(cgroupPath(cgroup, name), signal);
    }
  }

  /** `undefined` where pods have no cgroups of their own. A failure is tried again with the next pod. */
  async #start(signal: AbortSignal): Promise<Drivers | undefined> {
    const { hierarchy, writable } = this.#deps;
    if (hierarchy === undefined || !writable) return undefined;
    this.#started ??= this.#createShared(hierarchy, signal).catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  async #createShared(hierarchy: CgroupHierarchy, signal: AbortSignal): Promise<Drivers> {
    const { settings, facts, clock, log, runCommand } = this.#deps;
    const name = await this.#deps.driver(signal);
    const slices = name === 'systemd' ? new Slices(runCommand, hierarchy.version) : undefined;
    const drivers = { name, files: new CgroupFiles(hierarchy, clock), slices };
    const hugePages = new Map(facts.hugePageSizes.map((size) => [size, UNLIMITED]));
    await this.#apply(drivers, this.#root, settings.nodeLimits, signal);
    await this.#apply(drivers, this.#className('Burstable'), { cpuShares: MIN_SHARES, hugePages }, signal);
    await this.#apply(drivers, this.#className('BestEffort'), { cpuShares: MIN_SHARES, hugePages }, signal);
    log.info('Pods live in cgroups', { path: cgroupPath(this.#root, name), driver: name, version: hierarchy.version });
    return drivers;
  }

  async #apply(drivers: Drivers, cgroup: CgroupName, limits: CgroupLimits, signal: AbortSignal): Promise<void> {
    if (drivers.slices !== undefined) await drivers.slices.ensure(sliceName(cgroup), sliceName(cgroup.slice(0, -1)), limits, signal);
    await drivers.files.ensure(cgroupPath(cgroup, drivers.name), limits, signal);
  }

  /** One after another, each with the sum at its time: the last one written is then the right one. */
  #updateBurstable(drivers: Drivers, signal: AbortSignal): Promise<void> {
    const update = async (): Promise<void> => {
      let millis = 0;
      for (const { qosClass, cpuMillis } of this.#pods.values()) if (qosClass === 'Burstable') millis += cpuMillis;
      const shares = milliCpuToShares(millis);
      if (shares === this.#burstableShares) return;
      await this.#apply(drivers, this.#className('Burstable'), { cpuShares: shares }, signal);
      this.#burstableShares = shares;
    };
    const result = this.#classUpdate.then(update);
    this.#classUpdate = result.catch(() => undefined); // told to the caller; the next update starts afresh
    return result;
  }

  #className(qosClass: QosClass): CgroupName {
    return qosClass === 'Guaranteed' ? this.#root : [...this.#root, qosClass.toLowerCase()];
  }

  #podName(podUid: string, qosClass: QosClass): CgroupName {
    return [...this.#className(qosClass), `pod${podUid}`];
  }
}

/**
 * The driver to use: the engine's, which a configured one must agree with.
 * @throws FailedPreconditionError saying what to change
 */
export function agreedCgroupDriver(configured: '' | CgroupDriverName, engine: CgroupDriverName): CgroupDriverName {
  if (configured === '' || configured === engine) return engine;
  throw new FailedPreconditionError(
    `cgroupDriver is "${configured}" but the container engine uses "${engine}": set cgroupDriver to "${engine}", leave it out, or change the engine (Docker: exec-opts native.cgroupdriver)`,
  );
}
