/**
 * The states of a watch and how it moves between them, without doing anything (client-go tools/cache/reflector.go). The driver
 * in reflector.ts carries out what a state says and tells what came of it.
 */
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import { apiStatus, isExpired, isTooLargeResourceVersion } from './status-error.ts';

/** Where a list starts: `0` takes what the server has cached, absent reads consistently, anything else is at least that new. */
export interface Listing {
  readonly stage: 'listing';
  readonly resourceVersion: string | undefined;
  readonly continueToken?: string;
  readonly failures: number;
}

export interface Watching {
  readonly stage: 'watching';
  readonly resourceVersion: string;
  readonly failures: number;
  /** Nothing has come since the list: if even its version has expired, listing at once again would spin. */
  readonly fresh: boolean;
}

/** Waits, then goes on with `next`. */
export interface BackingOff {
  readonly stage: 'backing-off';
  readonly delayMs: number;
  readonly next: Listing | Watching;
}

export type ReflectorState = Listing | Watching | BackingOff;

/** What came of a stage. */
export type ReflectorInput =
  | { readonly type: 'page'; readonly resourceVersion: string; readonly continueToken?: string }
  | { readonly type: 'event'; readonly resourceVersion: string }
  /** The server ended the watch by itself. */
  | { readonly type: 'ended'; readonly events: number; readonly lastedMs: number }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'waited' }
  /** The server, which had been down for everybody, answers again. */
  | { readonly type: 'serverIsBack' };

type StageInput = Exclude<ReflectorInput, { readonly type: 'serverIsBack' }>;

/** client-go's: at most one try in 15 to 30 s at a server that stays away. */
export const REFLECTOR_BACKOFF: BackoffPolicy = { initialMs: 800, maxMs: 30_000, factor: 2, jitter: 0.5 };

/** A watch that ends this soon without an event is a failure in disguise. */
const VERY_SHORT_WATCH_MS = 1000;

export const INITIAL_STATE: ReflectorState = { stage: 'listing', resourceVersion: '0', failures: 0 };

/** The state after `input`; an input that does not belong to the state leaves it as it is. */
export function nextState(state: ReflectorState, input: ReflectorInput, random: () => number): ReflectorState {
  if (input.type === 'serverIsBack') return { ...(state.stage === 'backing-off' ? state.next : state), failures: 0 };
  switch (state.stage) {
    case 'listing':
      return afterListing(state, input, random);
    case 'watching':
      return afterWatching(state, input, random);
    case 'backing-off':
      return input.type === 'waited' ? state.next : state;
  }
}

function afterListing(state: Listing, input: StageInput, random: () => number): ReflectorState {
  if (input.type === 'page') {
    if (input.continueToken !== undefined) return { ...state, continueToken: input.continueToken };
    return { stage: 'watching', resourceVersion: input.resourceVersion, failures: state.failures, fresh: true };
  }
  if (input.type !== 'failed') return state;
  const { failures } = state;
  // A version that this server has forgotten, or does not have yet: read consistently, from the first page.
  const unavailable = isExpired(input.error) || isTooLargeResourceVersion(input.error);
  if (unavailable && (state.resourceVersion !== undefined || state.continueToken !== undefined)) {
    return { stage: 'listing', resourceVersion: undefined, failures };
  }
  return backOff({ stage: 'listing', resourceVersion: state.resourceVersion, failures: failures + 1 }, random);
}

function afterWatching(state: Watching, input: StageInput, random: () => number): ReflectorState {
  switch (input.type) {
    case 'event':
      return { stage: 'watching', resourceVersion: input.resourceVersion, failures: 0, fresh: false };
    case 'ended':
      if (input.events === 0 && input.lastedMs < VERY_SHORT_WATCH_MS) return backOff({ ...state, failures: state.failures + 1 }, random);
      return { ...state, failures: 0, fresh: false };
    case 'failed':
      return afterFailedWatch(state, input.error, random);
    case 'page':
    case 'waited':
      return state;
  }
}

function afterFailedWatch(state: Watching, error: unknown, random: () => number): ReflectorState {
  const failures = state.failures + 1;
  if (isExpired(error)) {
    const listing: Listing = { stage: 'listing', resourceVersion: undefined, failures };
    return state.fresh ? backOff(listing, random) : { ...listing, failures: state.failures };
  }
  // No answer, or too busy: go on from where the watch was. A refusal that names a reason may be about the version: list again.
  const goOn = apiStatus(error) === undefined || apiStatus(error)?.httpStatus === 429;
  const next: Listing | Watching = goOn
    ? { ...state, failures, fresh: false }
    : { stage: 'listing', resourceVersion: state.resourceVersion, failures };
  return backOff(next, random);
}

function backOff(next: Listing | Watching, random: () => number): BackingOff {
  return { stage: 'backing-off', delayMs: backoffDelay(REFLECTOR_BACKOFF, next.failures, random), next };
}
