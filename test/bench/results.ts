import type { ContenderName } from './options.ts';
import type { Spread } from './statistics.ts';

/** One batch: until all were Ready, until all were gone, and the agent's CPU time for each pod. All in ms. */
export interface BatchRound {
  readonly readyMs: number;
  readonly goneMs: number;
  readonly readyCpuMs: number;
  readonly goneCpuMs: number;
}

/** Pods that are created, or deleted, at once. */
export interface BatchResult {
  readonly pods: number;
  /** Until all were Ready: the median of the rounds, in ms. */
  readonly readyMs: number;
  /** Until all were gone: the median of the rounds, in ms. */
  readonly goneMs: number;
  /** CPU time of the agent and its children until then, for each pod: the median of the rounds, in ms. */
  readonly readyCpuMs: number;
  readonly goneCpuMs: number;
  readonly rounds: readonly BatchRound[];
}

/** An agent that has nothing to do. */
export interface RestResult {
  readonly pods: number;
  /** Of one core, the agent and its children. */
  readonly cpuPercent: number;
  /** In bytes, the agent and its children. */
  readonly residentBytes: number;
  readonly anonymousBytes: number;
  /** Of one core, the container runtime's daemons without shims: for information. */
  readonly runtimeCpuPercent: number;
}

/** All that was measured of one node. */
export interface ContenderResult {
  /** From the start of the agent's process to the Ready node. */
  readonly nodeReadyMs: number;
  /** One pod after another, in ms; absent when none was asked for. */
  readonly createMs?: Spread;
  readonly removeMs?: Spread;
  readonly batches: readonly BatchResult[];
  readonly rest: readonly RestResult[];
  /** Without pods again, after everything else. */
  readonly restAfterwards: RestResult;
}

export type Results = Readonly<Partial<Record<ContenderName, ContenderResult>>>;
