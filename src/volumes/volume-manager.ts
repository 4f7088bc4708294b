import { podReference } from '../api/object-reference.ts';
import type { Pod, VolumeSpec } from '../api/types.ts';
import { errorMessage, InvalidInputError } from '../lib/errors.ts';
import { ReasonedError } from '../lib/reasoned-error.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { KeyedLock } from './keyed-lock.ts';
import { downwardState, LiveUpdates } from './live-updates.ts';
import { VolumeFailure, type PluginContext, type SetUpResult } from './plugins/plugin.ts';
import { createPluginRegistry, type FindPlugin } from './plugins/registry.ts';
import { createPodPaths } from './pod-paths.ts';
import { volumesInUse } from './pod-volumes.ts';
import { bindSubPath, checkSubPath, makeSubPath, plainSubPath } from './sub-path.ts';
import { tearDown } from './tear-down.ts';
import type { MountedVolume, VolumeManager, VolumeManagerDeps } from './types.ts';

export function createVolumeManager(deps: VolumeManagerDeps): VolumeManager {
  return new HostVolumeManager(deps);
}

interface PodRecord {
  /** As last seen. */
  pod: Pod;
  readonly mounted: Map<string, MountedVolume>;
  /** Aborted when the pod's volumes are to go: a refresh that waits for the API server must not hold that up. */
  readonly refreshes: AbortController;
}

/** Volumes of one pod that are set up at a time. */
const PARALLEL_SETUPS = 8;

/**
 * INVARIANTS
 * - Set-up, refresh and unmount of one pod never overlap; pods do not wait for each other.
 * - A volume that is in place is not set up again by `mount`; content is brought up to date in the background, after a change of what
 *   it is made of and when it was left by an earlier run of the agent.
 * - A failed refresh leaves the volume as it was.
 * - `unmount` aborts the pod's refresh in progress, and none begins afterwards.
 */
class HostVolumeManager implements VolumeManager {
  readonly #context: PluginContext;
  readonly #findPlugin: FindPlugin;
  readonly #pods = new Map<string, PodRecord>();
  readonly #locks = new KeyedLock();
  readonly #live: LiveUpdates;
  readonly #subscriptions: readonly (() => void)[];

  constructor(deps: VolumeManagerDeps) {
    const noted = new Set<string>();
    const noteOnce = (message: string): void => {
      if (!noted.has(message)) deps.log.warn(message);
      noted.add(message);
    };
    this.#context = { ...deps, paths: createPodPaths(deps.settings.podsDirectory), noteOnce };
    this.#findPlugin = createPluginRegistry(this.#context);
    this.#live = new LiveUpdates({
      clock: deps.clock,
      refresh: (podUid, volumeName, signal) => this.#refresh(podUid, volumeName, signal),
      onError: (podUid, volumeName, error) => this.#reportRefresh(podUid, volumeName, error),
    });
    this.#subscriptions = [
      deps.objects.configMaps.onChange((namespace, name) => this.#live.objectChanged({ kind: 'ConfigMap', namespace, name })),
      deps.objects.secrets.onChange((namespace, name) => this.#live.objectChanged({ kind: 'Secret', namespace, name })),
    ];
  }

  mount(pod: Pod, signal: AbortSignal): Promise<ReadonlyMap<string, MountedVolume>> {
    return this.#locks.run(pod.metadata.uid, signal, async () => {
      const record = this.#record(pod);
      const missing = volumesInUse(pod).filter(({ name }) => !record.mounted.has(name));
      const places = new Semaphore(PARALLEL_SETUPS);
      const setUp = (volume: VolumeSpec): Promise<void> => places.run(signal, () => this.#setUp(record, volume, signal));
      const results = await Promise.allSettled(missing.map(setUp));
      signal.throwIfAborted();
      const failures = missing.flatMap((volume, index) => {
        const result = results[index];
        return result?.status === 'rejected' ? [this.#report(pod, volume, result.reason)] : [];
      });
      const worst = failures.find(({ reason }) => reason === 'FailedMount') ?? failures[0];
      if (worst !== undefined) throw combined(worst, failures);
      return new Map(record.mounted);
    });
  }

  async resolveSubPath(
    pod: Pod,
    volume: MountedVolume,
    containerName: string,
    mountIndex: number,
    subPath: string,
    signal: AbortSignal,
  ): Promise<string> {
    if (volume.image !== undefined) throw new InvalidInputError(`sub-paths of image volume "${volume.name}" are the runtime's business`);
    checkSubPath(subPath);
    const { files, mounter, log, paths } = this.#context;
    const failed = (what: string, error: unknown): Error => {
      signal.throwIfAborted();
      const about = `${what} for volumeMount "${volume.name}" of container "${containerName}"`;
      // The reason may tell things about the host that the pod's owner is not to know.
      log.warn('sub-path of a volume failed', { pod: pod.metadata.uid, subPath, failure: about, error: errorMessage(error) });
      return new Error(`failed to ${about}`);
    };
    await makeSubPath(files, volume.hostPath, subPath).catch((error: unknown) => {
      throw failed('create subPath directory', error);
    });
    const target = paths.subPath(pod.metadata.uid, volume.name, containerName, mountIndex);
    const isMountable = await mounter.available(signal);
    if (!isMountable)
      this.#context.noteOnce('sub-paths of volumes are checked when a container starts but not held fast: this process may not mount');
    const prepared = isMountable
      ? bindSubPath({ files, mounter }, volume.hostPath, subPath, target, signal)
      : plainSubPath(files, volume.hostPath, subPath);
    return prepared.catch((error: unknown) => {
      throw failed('prepare subPath', error);
    });
  }

  unmount(podUid: string, signal: AbortSignal): Promise<void> {
    this.#forget(podUid);
    return this.#locks.run(podUid, signal, async () => {
      this.#forget(podUid); // a mount that was under way until now
      await tearDown(this.#context, this.#context.paths.pod(podUid), signal);
      this.#context.tokens.forgetPod(podUid);
    });
  }

  podChanged(pod: Pod): void {
    const record = this.#pods.get(pod.metadata.uid);
    if (record === undefined) return;
    const changed = downwardState(record.pod) !== downwardState(pod);
    record.pod = pod;
    if (changed) this.#live.podChanged(pod.metadata.uid);
  }

  async orphans(known: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    const entries = await this.#context.files.list(this.#context.settings.podsDirectory);
    return entries.filter(({ name, isDirectory }) => isDirectory && !known.has(name)).map(({ name }) => name);
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    await this.#live.stop();
  }

  #forget(podUid: string): void {
    this.#live.forget(podUid);
    this.#pods.get(podUid)?.refreshes.abort();
    this.#pods.delete(podUid);
  }

  #record(pod: Pod): PodRecord {
    const known = this.#pods.get(pod.metadata.uid);
    if (known !== undefined) {
      this.podChanged(pod);
      return known;
    }
    const record = { pod, mounted: new Map<string, MountedVolume>(), refreshes: new AbortController() };
    this.#pods.set(pod.metadata.uid, record);
    return record;
  }

  async #setUp(record: PodRecord, spec: VolumeSpec, signal: AbortSignal): Promise<void> {
    const { pod } = record;
    const { uid } = pod.metadata;
    const { live, setUp } = this.#findPlugin(spec);
    const left = await live?.adopt({ pod, spec });
    const { mounted, refreshAt }: SetUpResult = left === undefined ? await setUp({ pod, spec }, signal) : { mounted: left };
    record.mounted.set(spec.name, mounted);
    if (live === undefined) return;
    this.#live.track(uid, spec.name, live.sources({ pod, spec }), refreshAt);
    // A container that is to be restarted does not wait for the API server: what it had is there.
    if (left !== undefined) this.#live.refreshNow(uid, spec.name);
  }

  #refresh(podUid: string, volumeName: string, signal: AbortSignal): Promise<{ readonly refreshAt?: number }> {
    return this.#locks.run(podUid, signal, async () => {
      const record = this.#pods.get(podUid);
      const spec = record?.pod.spec.volumes?.find(({ name }) => name === volumeName);
      if (record === undefined || spec === undefined) return {};
      const either = AbortSignal.any([signal, record.refreshes.signal]);
      return this.#findPlugin(spec).setUp({ pod: record.pod, spec }, either);
    });
  }

  #reportRefresh(podUid: string, volumeName: string, error: unknown): void {
    const pod = this.#pods.get(podUid)?.pod;
    const spec = pod?.spec.volumes?.find(({ name }) => name === volumeName);
    if (pod !== undefined && spec !== undefined) this.#report(pod, spec, error);
  }

  /** Records the FailedMount event, unless whoever failed has recorded its own. */
  #report(pod: Pod, { name }: VolumeSpec, error: unknown): ReasonedError {
    if (error instanceof ReasonedError) return error;
    const message =
      error instanceof VolumeFailure ? error.message : `MountVolume.SetUp failed for volume "${name}" : ${errorMessage(error)}`;
    this.#context.events.event(podReference(pod), 'Warning', 'FailedMount', message);
    return new ReasonedError('FailedMount', message, { cause: error, eventRecorded: true });
  }
}

/** One error for all: the first decides the reason, every message is in it. */
function combined(worst: ReasonedError, all: readonly ReasonedError[]): ReasonedError {
  if (all.length === 1) return worst;
  const message = [worst, ...all.filter((failure) => failure !== worst)].map((failure) => failure.message).join('; ');
  return new ReasonedError(worst.reason, message, { cause: worst, eventRecorded: all.every(({ eventRecorded }) => eventRecorded) });
}
