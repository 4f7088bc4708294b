/** The node's heartbeat: a Lease renewed every ten seconds (component-helpers apimachinery/lease/controller.go). */
import { formatMicroTime } from '../api/meta.ts';
import type { KubeObject, Lease } from '../api/types.ts';
import { withDeadline } from '../lib/abort.ts';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ApiHealth } from './api-health.ts';
import { LEASES, apiVersionOf } from './resources.ts';
import type { ApiClient } from './types.ts';

export interface LeaseOptions {
  readonly client: Pick<ApiClient, 'get' | 'create' | 'update'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Pick<ApiHealth, 'state'>;
  readonly nodeName: string;
  /** UID of the Node object, the lease's owner; `undefined` until the node is registered. */
  readonly nodeUid: () => string | undefined;
  /** The kubelet's nodeLeaseDurationSeconds, 40; it is renewed four times in it. */
  readonly durationSeconds: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export const LEASE_NAMESPACE = 'kube-node-lease';

const RENEWALS_PER_DURATION = 4;
/** As upstream: keeps nodes that started together apart. */
const JITTER = 0.04;
const BACKOFF: BackoffPolicy = { initialMs: 200, maxMs: 7000, factor: 2, jitter: 0 };

/**
 * INVARIANTS
 * - After each failure it tries again, sooner than the next renewal, until its signal.
 * - A lease that somebody else changed is read again before it is written.
 * - One log line when renewals begin to fail and one when they work again.
 */
export class NodeLease {
  readonly #options: LeaseOptions;
  readonly #intervalMs: number;
  /** What the server answered last; renewed without reading it again. */
  #latest: (Lease & KubeObject) | undefined;
  #failures = 0;
  #reported = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#intervalMs = (options.durationSeconds * 1000) / RENEWALS_PER_DURATION;
  }

  /** Creates and renews the lease until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    while (!signal.aborted) {
      const renewed = await this.#renewOnce(signal);
      const delay = renewed
        ? this.#intervalMs * (1 + JITTER * random())
        : Math.min(this.#intervalMs, backoffDelay(BACKOFF, this.#failures));
      await clock.sleep(delay, signal).catch(() => undefined); // only the signal ends a sleep
    }
  }

  async #renewOnce(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    try {
      // A renewal that hangs must not keep the next from being tried while the lease is still valid.
      await withDeadline(clock, 'renewing the node lease', this.#intervalMs, signal, (inner) => this.#renew(inner));
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      return false;
    }
    if (this.#reported) this.#options.log.info('The node lease is renewed again');
    this.#reported = false;
    this.#failures = 0;
    return true;
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { client, nodeName } = this.#options;
    const target = { namespace: LEASE_NAMESPACE, name: nodeName };
    const base = this.#latest ?? (await this.#read(signal));
    this.#latest =
      base === undefined
        ? await client.create(LEASES, { namespace: LEASE_NAMESPACE }, this.#desired(undefined), signal)
        : await client.update(LEASES, target, this.#desired(base), signal);
  }

  async #read(signal: AbortSignal): Promise<(Lease & KubeObject) | undefined> {
    try {
      return await this.#options.client.get(LEASES, { namespace: LEASE_NAMESPACE, name: this.#options.nodeName }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #desired(base: (Lease & KubeObject) | undefined): Lease & KubeObject {
    const { clock, nodeName, durationSeconds } = this.#options;
    return {
      apiVersion: apiVersionOf(LEASES),
      kind: LEASES.kind,
      metadata: { ...base?.metadata, name: nodeName, namespace: LEASE_NAMESPACE, ...this.#owner(base) },
      spec: {
        ...base?.spec,
        holderIdentity: nodeName,
        leaseDurationSeconds: durationSeconds,
        renewTime: formatMicroTime(clock.now()),
      },
    };
  }

  /** The node owns its lease, so that it goes with it (kubelet pkg/kubelet/util/nodelease.go); set once it is known. */
  #owner(base: (Lease & KubeObject) | undefined): Pick<Lease['metadata'] & object, 'ownerReferences'> {
    const uid = this.#options.nodeUid();
    if ((base?.metadata.ownerReferences ?? []).length > 0 || uid === undefined) return {};
    return { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: this.#options.nodeName, uid }] };
  }

  #failed(error: unknown): void {
    // Deleted or changed by somebody, or its owner is another by now: read it again.
    this.#latest = undefined;
    this.#failures += 1;
    // The first failure is often only a race or a closed connection; a server that is down is reported by ApiHealth.
    if (this.#reported || this.#failures < 2 || this.#options.health.state?.up === false) return;
    this.#reported = true;
    this.#options.log.warn('The node lease cannot be renewed; retrying', { error: errorMessage(error) });
  }
}
