import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { abortable } from '../lib/abort.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { ResourceExhaustedError, toError, UnavailableError } from '../lib/errors.ts';

/** A helper as its parent sees it. */
export interface HelperProcess {
  /** Never throws; a helper that is gone says so through `onEnd`. */
  send(message: { readonly id: number; readonly port: number }): void;
  onMessage(listener: (message: unknown, handle: unknown) => void): void;
  /** Called once, with the reason when it ended by itself. */
  onEnd(listener: (error: Error) => void): void;
  kill(): void;
}

/** Starts `helperCommand` inside the network namespace of the file at `path`. */
export type StartHelper = (path: string, helperCommand: readonly string[]) => HelperProcess;

/** Connections that may be in the making at once in one namespace. */
const MAX_PENDING = 256;
/** As much of what nsenter says is kept for the error, in characters. */
const MAX_STDERR_CHARACTERS = 2048;

interface NetnsHelperSettings {
  /** Names the namespace it is in. */
  readonly identity: string;
  readonly process: HelperProcess;
  readonly clock: Clock;
  readonly idleMs: number;
  /** Called once; with an error unless it was ended from here. */
  readonly onEnd: (error: Error | undefined) => void;
}

interface Pending {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A helper process in one network namespace.
 *
 * INVARIANTS
 * - every dial settles: with its socket, the helper's error, the signal's reason, or that the helper ended
 * - the idle time runs exactly while no dial is pending
 */
export class NetnsHelper {
  readonly identity: string;
  readonly #settings: NetnsHelperSettings;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended = false;
  #idle: Timer | undefined;

  constructor(settings: NetnsHelperSettings) {
    this.identity = settings.identity;
    this.#settings = settings;
    settings.process.onMessage((message, handle) => this.#receive(message, handle));
    settings.process.onEnd((error) => this.#finish(error));
    this.#armIdle();
  }

  get busy(): boolean {
    return this.#pending.size > 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** @throws UnavailableError, ResourceExhaustedError */
  async dial(port: number, signal: AbortSignal): Promise<Socket> {
    if (this.#ended) throw new UnavailableError('the helper in the network namespace has ended');
    if (this.#pending.size >= MAX_PENDING) throw new ResourceExhaustedError(`${MAX_PENDING} connections are being made in the pod already`);
    const id = this.#nextId++;
    this.#idle?.cancel();
    const dialed = new Promise<Socket>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#settings.process.send({ id, port });
    try {
      return await abortable(dialed, signal);
    } finally {
      this.#pending.delete(id);
      if (this.#pending.size === 0 && !this.#ended) this.#armIdle();
    }
  }

  end(): void {
    this.#finish(undefined);
  }

  #receive(message: unknown, handle: unknown): void {
    const socket = handle instanceof Socket ? handle : undefined;
    const id = typeof message === 'object' && message !== null && 'id' in message && typeof message.id === 'number' ? message.id : 0;
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      socket?.destroy();
      return;
    }
    this.#pending.delete(id);
    if (socket !== undefined) {
      socket.allowHalfOpen = true; // a socket that came over IPC is made without
      pending.resolve(socket);
      return;
    }
    const error = typeof message === 'object' && message !== null && 'error' in message ? String(message.error) : 'no socket came';
    pending.reject(new UnavailableError(`nothing answers in the pod: ${error}`));
  }

  #armIdle(): void {
    this.#idle = this.#settings.clock.after(this.#settings.idleMs, () => this.#finish(undefined));
  }

  #finish(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#idle?.cancel();
    this.#settings.process.kill();
    const reason = new UnavailableError('the helper in the network namespace ended', { cause: error });
    for (const { reject } of [...this.#pending.values()]) reject(reason);
    this.#pending.clear();
    this.#settings.onEnd(error);
  }
}

/** Starts a helper with util-linux's nsenter. Its environment is bare: it needs nothing of the agent's. */
export const startNsenter: StartHelper = (path, helperCommand) => {
  const child = spawn('nsenter', [`--net=${path}`, '--', ...helperCommand], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(0, MAX_STDERR_CHARACTERS);
  });
  const endListeners: ((error: Error) => void)[] = [];
  const ended = (error: Error): void => endListeners.splice(0).forEach((listener) => listener(error));
  child.once('error', (error) => ended(new UnavailableError('nsenter (util-linux) cannot be started', { cause: error })));
  child.once('close', (code, signalName) => {
    ended(new UnavailableError(stderr.trim() === '' ? `it exited with ${code ?? signalName ?? 'no code'}` : stderr.trim()));
  });
  return {
    send: (message) => {
      if (child.connected) child.send(message, (error) => error && ended(toError(error)));
    },
    onMessage: (listener) => void child.on('message', listener),
    onEnd: (listener) => void endListeners.push(listener),
    kill: () => void child.kill('SIGKILL'),
  };
};
