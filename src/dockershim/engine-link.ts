import { abortable } from '../lib/abort.ts';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { UnavailableError, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { labelOf, type ContainerView } from './container-view.ts';
import type { EngineHost } from './engine-host.ts';
import type { DockerEngine, EngineInfo, EngineVersion } from './engine.ts';

export interface EngineLinkOptions {
  readonly engine: DockerEngine;
  readonly view: ContainerView;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Looks at the engine's machine, after each connection. */
  readonly probeHost: () => Promise<EngineHost>;
  /** The view is right from now on; `undefined`: the connection is lost. */
  readonly onChange: (connected: Connection | undefined) => void;
}

/** What is known of the engine while it answers. */
export interface Connection {
  readonly version: EngineVersion;
  readonly info: EngineInfo;
  readonly host: EngineHost;
}

const BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 5_000, factor: 2, jitter: 0.3 };
/** Safety net under the events; also finds out that a connection is dead which nobody has closed. */
const SWEEP_INTERVAL_MS = 60_000;

/**
 * Keeps the view fed: connects, subscribes, lists once, follows the events, and starts over when the connection ends.
 *
 * INVARIANTS
 * 1. Events are subscribed to before the list is made, so that nothing falls between.
 * 2. `connected` resolves only while the view equals the engine.
 * 3. It never gives up until it is stopped; one log line a change of state, not one a try.
 */
export class EngineLink {
  readonly #options: EngineLinkOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;
  #connection: Connection | undefined;
  #failure: Error = new UnavailableError('the connection to Docker Engine has not been made yet');
  #waiting: { resolve: (connection: Connection) => void; reject: (error: Error) => void }[] = [];
  #wake: (() => void) | undefined;

  constructor(options: EngineLinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new UnavailableError('the dockershim is stopping'));
    await this.#loop;
  }

  /** What is known now; `undefined` while the engine is away. */
  get current(): Connection | undefined {
    return this.#connection;
  }

  /** Why there is no connection. */
  get failure(): Error {
    return this.#failure;
  }

  /** The connection, made at once if there is none. @throws UnavailableError when that try fails */
  connected(signal: AbortSignal): Promise<Connection> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection);
    if (this.#stop.signal.aborted || this.#loop === undefined) return Promise.reject(this.#failure);
    const attempt = new Promise<Connection>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    this.#wake?.();
    return abortable(attempt, signal);
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const connection = new AbortController();
      const end = (): void => connection.abort(this.#stop.signal.reason);
      this.#stop.signal.addEventListener('abort', end, { once: true });
      try {
        await this.#connect(connection.signal, () => (failures = 0));
      } catch (error) {
        failures += 1;
        this.#lost(error, failures);
      } finally {
        this.#stop.signal.removeEventListener('abort', end);
        connection.abort(new UnavailableError('the connection to Docker Engine has ended'));
      }
      if (!this.#stop.signal.aborted) await this.#pause(backoffDelay(BACKOFF, failures), clock);
    }
  }

  /** Returns never: what ends a connection is thrown. */
  async #connect(signal: AbortSignal, onConnected: () => void): Promise<never> {
    const { engine, view, instanceId, logger } = this.#options;
    const version = await engine.negotiate(signal);
    const info = await engine.info(signal);
    const host = await this.#options.probeHost();
    const events = await engine.events(labelOf(instanceId), signal);
    const ended = this.#follow(events);
    ended.catch(() => undefined); // it is raced below; this is for the time before
    await Promise.race([view.resync(signal), ended]);
    onConnected();
    this.#connection = { version, info, host };
    logger.info('Connected to Docker Engine', { endpoint: engine.endpoint, version: version.version, api: version.apiVersion });
    this.#options.onChange(this.#connection);
    for (const { resolve } of this.#waiting.splice(0)) resolve(this.#connection);
    return Promise.race([ended, this.#sweepForEver(signal)]);
  }

  async #follow(events: AsyncIterable<Parameters<ContainerView['apply']>[0]>): Promise<never> {
    for await (const event of events) this.#options.view.apply(event);
    throw new UnavailableError('Docker Engine has closed the event stream');
  }

  async #sweepForEver(signal: AbortSignal): Promise<never> {
    const { clock, view, logger } = this.#options;
    for (;;) {
      await clock.sleep(SWEEP_INTERVAL_MS, signal);
      const differing = await view.sweep(signal);
      if (differing > 0) logger.debug('The sweep found containers that had changed', { count: differing });
    }
  }

  #lost(error: unknown, failures: number): void {
    const { logger, engine, onChange } = this.#options;
    const wasConnected = this.#connection !== undefined;
    const message = errorMessage(error);
    const isNews = wasConnected || message !== errorMessage(this.#failure);
    this.#connection = undefined;
    this.#failure = error instanceof Error ? error : new UnavailableError(message);
    if (!this.#stop.signal.aborted && isNews) {
      logger.warn(wasConnected ? 'Lost Docker Engine' : 'Docker Engine does not answer', {
        endpoint: engine.endpoint,
        error: message,
        failures,
      });
    }
    if (wasConnected) onChange(undefined);
    // A connection that has just ended says nothing about the next try, which whoever waits is waiting for.
    if (!wasConnected) for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  async #pause(ms: number, clock: Clock): Promise<void> {
    if (this.#waiting.length > 0) return;
    const over = new AbortController();
    this.#wake = () => over.abort();
    const stop = (): void => over.abort();
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    try {
      await clock.sleep(ms, over.signal);
    } catch (error) {
      if (!over.signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
      this.#stop.signal.removeEventListener('abort', stop);
    }
  }
}
