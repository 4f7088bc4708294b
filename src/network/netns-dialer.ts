import { stat } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, NotFoundError, ResourceExhaustedError, UnavailableError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { connectLocalhost } from './netns-connect.ts';
import { NetnsHelper, startNsenter, type StartHelper } from './netns-helper-process.ts';

/** Whose localhost: the host's own, or that of a network namespace named by a process in it or by its file. */
export type NetnsTarget = { readonly hostNetwork: true } | PodTarget;

type PodTarget = { readonly pid: number } | { readonly netnsPath: string };

/** Opens TCP connections to localhost inside network namespaces. */
export interface NetnsDialer {
  /**
   * Connects to `port` on localhost there, IPv4 first and then IPv6; half-close works in both directions.
   * @throws UnavailableError when nothing listens, NotFoundError when the namespace is gone, DeadlineExceededError,
   * ResourceExhaustedError
   */
  dial(target: NetnsTarget, port: number, signal: AbortSignal): Promise<Duplex>;
  /** The sandbox is gone: ends its helper at once. Connections that are open live on until their own end. */
  release(target: NetnsTarget): void;
  /** Ends every helper. */
  close(): void;
}

export interface NetnsDialerSettings {
  /** The program and arguments that run netns-helper, for example Node and its file in the bundle. */
  readonly helperCommand: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How a helper is started in a namespace; nsenter of util-linux when undefined. */
  readonly startHelper?: StartHelper;
}

/** Connecting to localhost is a matter of microseconds; starting a helper takes a busy machine a second or two. */
const DIAL_TIMEOUT_MS = 10_000;
/** A helper that nobody asks ends after this long. */
const IDLE_MS = 60_000;
/** Helpers at once: each is a process of some 40 MB. The one that was idle longest makes room for a further one. */
const MAX_HELPERS = 32;

/** See {@link NetnsDialer}; needs CAP_SYS_ADMIN for every target but the host. */
export function createNetnsDialer(settings: NetnsDialerSettings): NetnsDialer {
  return new HelperDialer(settings);
}

/**
 * INVARIANTS
 * - at most one helper a namespace and MAX_HELPERS in all; one that is asked nothing for IDLE_MS ends
 * - a helper serves the namespace it was started in: when a process id or path has come to mean another one, it is replaced
 * - a socket that arrives for a dial that was given up is closed
 */
class HelperDialer implements NetnsDialer {
  readonly #settings: NetnsDialerSettings;
  /** Least recently used first. */
  readonly #helpers = new Map<string, NetnsHelper>();

  constructor(settings: NetnsDialerSettings) {
    this.#settings = settings;
  }

  dial(target: NetnsTarget, port: number, signal: AbortSignal): Promise<Duplex> {
    const stage = `dialing port ${port} in the pod's network namespace`;
    return withDeadline(this.#settings.clock, stage, DIAL_TIMEOUT_MS, signal, async (dialing) => {
      const socket = 'hostNetwork' in target ? await this.#dialHost(port, dialing) : await this.#dialPod(target, port, dialing);
      // What the other side does to a connection may never end the process; it shows as its end all the same.
      return socket.on('error', () => undefined);
    });
  }

  release(target: NetnsTarget): void {
    if (!('hostNetwork' in target)) this.#drop(namespacePath(target));
  }

  close(): void {
    for (const path of [...this.#helpers.keys()]) this.#drop(path);
  }

  async #dialHost(port: number, signal: AbortSignal): Promise<Duplex> {
    try {
      return await connectLocalhost(port, signal);
    } catch (error) {
      throw new UnavailableError(`nothing answers on port ${port} of the host`, { cause: error });
    }
  }

  async #dialPod(target: PodTarget, port: number, signal: AbortSignal): Promise<Duplex> {
    const path = namespacePath(target);
    const helper = this.#helperFor(path, await this.#identify(path));
    return helper.dial(port, signal);
  }

  /** What tells this namespace from one that gets the same name later. */
  async #identify(path: string): Promise<string> {
    try {
      const { dev, ino } = await stat(path, { bigint: true });
      return `${dev}:${ino}`;
    } catch (error) {
      this.#drop(path);
      throw new NotFoundError(`network namespace ${path} does not exist`, { cause: error });
    }
  }

  #helperFor(path: string, identity: string): NetnsHelper {
    const known = this.#helpers.get(path);
    if (known !== undefined && known.identity === identity && !known.ended) {
      this.#helpers.delete(path);
      this.#helpers.set(path, known);
      return known;
    }
    this.#drop(path);
    this.#makeRoom();
    const { clock, log, helperCommand, startHelper = startNsenter } = this.#settings;
    log.debug('Starting a helper in a network namespace', { path });
    const helper = new NetnsHelper({
      identity,
      clock,
      idleMs: IDLE_MS,
      process: startHelper(path, helperCommand),
      onEnd: (error) => {
        if (error !== undefined) log.warn('A helper in a network namespace ended', { path, error: errorMessage(error) });
        if (this.#helpers.get(path) === helper) this.#helpers.delete(path);
      },
    });
    this.#helpers.set(path, helper);
    return helper;
  }

  #makeRoom(): void {
    if (this.#helpers.size < MAX_HELPERS) return;
    const idlest = [...this.#helpers].find(([, helper]) => !helper.busy);
    if (idlest === undefined) throw new ResourceExhaustedError(`connections are being made in ${MAX_HELPERS} network namespaces already`);
    this.#drop(idlest[0]);
  }

  #drop(path: string): void {
    const helper = this.#helpers.get(path);
    this.#helpers.delete(path);
    helper?.end();
  }
}

function namespacePath(target: PodTarget): string {
  return 'pid' in target ? `/proc/${target.pid}/ns/net` : target.netnsPath;
}
