import type { TokenBucket } from '../cluster/rate-limiter.ts';
import { abortable } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, toError } from '../lib/errors.ts';
import { Semaphore } from '../lib/semaphore.ts';
import type { ImageService, PodSandboxConfig } from '../runtime/types.ts';
import type { Credential } from './keyring.ts';
import { credentialHash } from './pulled-images.ts';

export interface PullRequest {
  readonly image: string;
  /** Tried in this order; empty: without credentials. */
  readonly credentials: readonly Credential[];
  readonly sandboxConfig: PodSandboxConfig | undefined;
}

export interface PullResult {
  readonly imageId: string;
  /** With which it succeeded. */
  readonly credential: Credential | undefined;
  /** Of the pull itself, without waiting for a place; ms. */
  readonly pullMs: number;
}

export interface PullerDeps {
  readonly images: ImageService;
  readonly clock: Clock;
  readonly maxParallelPulls: number;
  /** `undefined`: no limit. */
  readonly rate: TokenBucket | undefined;
}

interface SharedPull {
  readonly result: Promise<PullResult>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Pulls images.
 *
 * INVARIANTS
 * 1. One pull at a time for an image with the same credentials, whoever waits for it.
 * 2. Never more pulls at a time than allowed.
 * 3. Who stops waiting does not disturb the others; when nobody waits any more the pull is given up.
 */
export class Puller {
  readonly #deps: PullerDeps;
  readonly #places: Semaphore;
  readonly #pulls = new Map<string, SharedPull>();

  constructor(deps: PullerDeps) {
    this.#deps = deps;
    this.#places = new Semaphore(deps.maxParallelPulls);
  }

  async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    signal.throwIfAborted();
    const key = JSON.stringify([request.image, request.credentials.map(({ auth }) => credentialHash(auth))]);
    const shared = this.#pulls.get(key) ?? this.#start(key, request);
    shared.waiters += 1;
    try {
      return await abortable(shared.result, signal);
    } finally {
      shared.waiters -= 1;
      if (shared.waiters === 0) {
        shared.controller.abort();
        if (this.#pulls.get(key) === shared) this.#pulls.delete(key);
      }
    }
  }

  #start(key: string, request: PullRequest): SharedPull {
    const controller = new AbortController();
    const result = this.#places.run(controller.signal, async () => {
      await this.#deps.rate?.take(controller.signal);
      return this.#pullWithCredentials(request, controller.signal);
    });
    result.catch(() => undefined); // each who waits is told
    const shared: SharedPull = { result, controller, waiters: 0 };
    this.#pulls.set(key, shared);
    return shared;
  }

  /** kubelet kuberuntime_image.go PullImage: the next credentials are tried whatever the error was. */
  async #pullWithCredentials({ image, credentials, sandboxConfig }: PullRequest, signal: AbortSignal): Promise<PullResult> {
    const { images, clock } = this.#deps;
    const started = clock.monotonic();
    const attempts: readonly (Credential | undefined)[] = credentials.length === 0 ? [undefined] : credentials;
    const errors: Error[] = [];
    for (const credential of attempts) {
      try {
        const imageId = await images.pullImage({ image }, credential?.auth, sandboxConfig, signal);
        return { imageId, credential, pullMs: clock.monotonic() - started };
      } catch (error) {
        signal.throwIfAborted();
        errors.push(toError(error));
      }
    }
    throw aggregate(errors);
  }
}

/** One error as it is, several as one whose message lists the different ones (apimachinery NewAggregate). */
function aggregate(errors: readonly Error[]): Error {
  const [first, ...others] = errors;
  if (first !== undefined && others.length === 0) return first;
  const messages = [...new Set(errors.map(errorMessage))];
  return new Error(messages.length === 1 ? messages[0] : `[${messages.join(', ')}]`, { cause: first });
}
