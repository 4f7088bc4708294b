/** Registers the node and keeps its status true (kubelet pkg/kubelet/kubelet_node_status.go). */
import type { NodeObject } from '../api/types.ts';
import { nodeReference } from '../api/object-reference.ts';
import { NODES } from '../cluster/resources.ts';
import { patchNodeStatus } from '../cluster/status-patches.ts';
import type { ApiClient, Change, ObjectStore } from '../cluster/types.ts';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isAbort, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { desiredNode, nodeHasChanged } from './desired-node.ts';
import type { NodeFactsSource } from './node-facts.ts';
import { buildNodeStatus, type NodeEvent, type NodeFacts } from './node-status.ts';
import { initialNode, machineLabels, register } from './registration.ts';

import type { NodeEventPort, NodeSettings } from './types.ts';

export interface NodeManagerDeps {
  readonly settings: NodeSettings;
  readonly client: Pick<ApiClient, 'create' | 'get' | 'patch'>;
  /** A watch of the own Node object; keeps what others put on it. */
  readonly store: Pick<ObjectStore<NodeObject>, 'onChange'>;
  readonly facts: Pick<NodeFactsSource, 'read' | 'imagesChanged' | 'addresses'>;
  readonly events: NodeEventPort;
  /** Told about the node once it is registered: what this host lacks, for instance. */
  readonly startEvents?: readonly NodeEvent[];
  /** The addresses of pods, once the cluster has assigned them (spec.podCIDRs, joined by commas). */
  readonly podCidrChanged: (podCidr: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random: () => number;
}

/** kubelet_node_status.go registerWithAPIServer: 100 ms doubling to 7 s; after the first minute there is no hurry. */
const REGISTER_BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 7_000, factor: 2, jitter: 0.2 };
/** Reports that fail are tried again soon, less often the longer it lasts. */
const REPORT_BACKOFF: BackoffPolicy = { initialMs: 500, maxMs: 10_000, factor: 2, jitter: 0.2 };
/** Looks while the node is not ready: often after the start (kubelet.go fastStatusUpdateOnce), then as the runtime may come back. */
const STARTING_LOOK_MS = 250;
const NOT_READY_LOOK_MS = 2_000;
const STARTING_PHASE_MS = 30_000;

/**
 * INVARIANTS
 * 1. At most one look at a time; a trigger during a look means exactly one more.
 * 2. A change of readiness is reported as soon as it is seen; without any change there is a report every statusReportFrequency.
 * 3. What others have put on the Node object stays.
 * 4. The node is registered again when somebody has deleted it.
 */
export class NodeManager {
  readonly #deps: NodeManagerDeps;
  readonly #whenLooked = Promise.withResolvers<void>();
  readonly #whenRegistered = Promise.withResolvers<void>();
  #node: NodeObject | undefined;
  #facts: NodeFacts | undefined;
  #lastReportAt: number | undefined;
  #reportDelayMs = 0;
  #ready = false;
  #startedAt = 0;
  #triggered = false;
  #wake: (() => void) | undefined;
  #unschedulable: boolean | undefined;
  #podCidr = '';
  #told = false;
  #failures = 0;
  #lastFailure: string | undefined;

  constructor(deps: NodeManagerDeps) {
    this.#deps = deps;
  }

  /** Runs until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings, store } = this.#deps;
    this.#startedAt = clock.monotonic();
    this.#emit({ type: 'Normal', reason: 'Starting', message: 'Starting kubelet.' });
    using _subscription = disposable(store.onChange((change) => this.#onChange(change)));
    while (!signal.aborted) {
      this.#triggered = false;
      try {
        await this.#look(signal);
        if (this.#lastFailure !== undefined) this.#deps.log.info('The node is reported again', { node: settings.nodeName });
        this.#failures = 0;
        this.#lastFailure = undefined;
      } catch (error) {
        if (signal.aborted || isAbort(error)) break;
        this.#failed(error);
      }
      await this.#pause(signal);
    }
  }

  /** Something may have changed (the runtime is back, a pod's volumes …): look now. */
  triggerUpdate(): void {
    this.#triggered = true;
    this.#wake?.();
  }

  imagesChanged(): void {
    this.#deps.facts.imagesChanged();
  }

  /** The node as last seen: for the downward API and admission. `undefined` before it is registered. */
  node(): NodeObject | undefined {
    return this.#node;
  }

  /** Resolves when the addresses and what pods may have are known, whether or not there is an API server. */
  get looked(): Promise<void> {
    return this.#whenLooked.promise;
  }

  /** Resolves when the Node object exists; what {@link looked} promises holds then, too. */
  get registered(): Promise<void> {
    return this.#whenRegistered.promise;
  }

  /** Whether the last look found the node ready. */
  isReady(): boolean {
    return this.#ready;
  }

  /** Addresses for `status.hostIPs`, the primary first. */
  hostIPs(): readonly string[] {
    return this.#deps.facts.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
  }

  /** Resource list of what pods may have; empty before the first look. */
  allocatable(): Readonly<Record<string, string>> {
    const foreign = this.#node?.status?.allocatable ?? {};
    return { ...foreign, ...this.#facts?.resources.allocatable };
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { settings, facts, clock } = this.#deps;
    this.#facts = await facts.read(signal);
    this.#whenLooked.resolve();
    this.#ready = this.#facts.notReadyReasons.length === 0;
    this.#node ??= await this.#register(this.#facts, signal);
    const { status, events } = buildNodeStatus(settings, this.#facts, this.#node.status, clock.now());
    const labels = machineLabels(this.#facts.machine);
    const after = desiredNode(this.#node, status, labels);
    const changed = nodeHasChanged(this.#node, after);
    if (!changed && !this.#isReportDue()) return;
    try {
      this.#observe((await patchNodeStatus(this.#deps.client, this.#node, after, signal)) ?? after);
    } catch (error) {
      if (isNotFound(error)) this.#node = undefined; // deleted by somebody: the next look registers it again
      throw error;
    }
    this.#scheduleNextReport(changed);
    for (const event of events) this.#emit(event);
  }

  async #register(facts: NodeFacts, signal: AbortSignal): Promise<NodeObject> {
    const { settings, client, clock, log } = this.#deps;
    const { status, events } = buildNodeStatus(settings, facts, undefined, clock.now());
    const initial = initialNode(settings, facts.machine, status);
    const node = settings.registerNode
      ? await register(client, initial, signal)
      : await client.get(NODES, { name: settings.nodeName }, signal);
    log.info('The node is registered', { node: settings.nodeName, uid: node.metadata.uid });
    this.#observe(node);
    for (const event of [...events, ...(this.#told ? [] : (this.#deps.startEvents ?? []))]) this.#emit(event);
    this.#told = true;
    this.#whenRegistered.resolve();
    return node;
  }

  #onChange(change: Change<NodeObject>): void {
    if (change.object.metadata.name !== this.#deps.settings.nodeName) return;
    if (change.type !== 'deleted') this.#observe(change.object);
    else if (this.#node !== undefined && change.object.metadata.uid === this.#node.metadata.uid) {
      this.#node = undefined;
      this.triggerUpdate();
    }
  }

  /** Answers to own requests and the watch may cross: the newer one counts. */
  #observe(node: NodeObject): void {
    if (this.#node !== undefined && isOlder(node, this.#node)) return;
    this.#node = node;
    const unschedulable = node.spec?.unschedulable ?? false;
    if (this.#unschedulable !== undefined && this.#unschedulable !== unschedulable) {
      const reason = unschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable';
      this.#emit({ type: 'Normal', reason, message: `Node ${this.#deps.settings.nodeName} status is now: ${reason}` });
    }
    this.#unschedulable = unschedulable;
    const podCidr = node.spec?.podCIDRs?.join(',') ?? '';
    if (podCidr !== '' && podCidr !== this.#podCidr) this.#deps.podCidrChanged(podCidr);
    this.#podCidr = podCidr;
  }

  #isReportDue(): boolean {
    if (this.#lastReportAt === undefined) return true;
    return this.#deps.clock.monotonic() - this.#lastReportAt >= this.#deps.settings.statusReportFrequencyMs + this.#reportDelayMs;
  }

  /** After a change the next plain report comes at a random time, so that nodes which changed together do not report together. */
  #scheduleNextReport(changed: boolean): void {
    const spread = changed || this.#lastReportAt === undefined;
    this.#reportDelayMs = spread ? -this.#deps.random() * 0.5 * this.#deps.settings.statusReportFrequencyMs : 0;
    this.#lastReportAt = this.#deps.clock.monotonic();
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    const message = errorMessage(error);
    if (message !== this.#lastFailure) {
      this.#deps.log.warn(
        this.#node === undefined ? 'The node cannot be registered, trying again' : 'The node cannot be reported, trying again',
        {
          node: this.#deps.settings.nodeName,
          error: message,
        },
      );
    }
    this.#lastFailure = message;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    if (this.#triggered || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    using _timer = this.#deps.clock.after(this.#pauseMs(), resolve);
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    signal.removeEventListener('abort', onAbort);
    this.#wake = undefined;
  }

  #pauseMs(): number {
    const { settings, clock, random } = this.#deps;
    if (this.#failures > 0) return backoffDelay(this.#node === undefined ? REGISTER_BACKOFF : REPORT_BACKOFF, this.#failures, random);
    if (this.#ready) return settings.statusUpdateFrequencyMs;
    const starting = clock.monotonic() - this.#startedAt < STARTING_PHASE_MS;
    return Math.min(starting ? STARTING_LOOK_MS : NOT_READY_LOOK_MS, settings.statusUpdateFrequencyMs);
  }

  #emit({ type, reason, message }: NodeEvent): void {
    const { events, settings } = this.#deps;
    events.event(nodeReference(settings.nodeName, this.#node?.metadata.uid), type, reason, message);
  }
}

/** Of the same object, by resource version. */
function isOlder(a: NodeObject, b: NodeObject): boolean {
  if (a.metadata.uid !== b.metadata.uid) return false;
  const [versionA, versionB] = [Number(a.metadata.resourceVersion), Number(b.metadata.resourceVersion)];
  return Number.isFinite(versionA) && Number.isFinite(versionB) && versionA < versionB;
}

function disposable(dispose: () => void): Disposable {
  return { [Symbol.dispose]: dispose };
}
