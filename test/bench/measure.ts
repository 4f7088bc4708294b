import { setTimeout as delay } from 'node:timers/promises';
import type { Contender } from './contender.ts';
import type { BenchOptions, ContenderName } from './options.ts';
import type { PodsOnNode } from './pods-on-node.ts';
import { clockTicks, familyUsage, processUsage, type ProcessUsage } from './process-usage.ts';
import type { BatchResult, BatchRound, ContenderResult, RestResult, Results } from './results.ts';
import { median, spreadOf } from './statistics.ts';

/** A node and its pods. */
export interface Subject {
  readonly contender: Contender;
  readonly pods: PodsOnNode;
}

export type Say = (line: string) => void;

/**
 * Measures all subjects, in turns where they would disturb one another and at
 * the same time where they are at rest, so that what the machine does besides
 * falls on all of them. At rest comes first, on agents that have just started.
 */
export async function measure(subjects: readonly Subject[], options: BenchOptions, say: Say, signal: AbortSignal): Promise<Results> {
  const rest = await atRest(subjects, options.rest, options, say, signal);
  const times = await oneAfterAnother(subjects, options.sequential, say, signal);
  const batches = await atOnce(subjects, options, say, signal);
  const afterwards = await atRest(subjects, [0], options, say, signal);
  const results: Partial<Record<ContenderName, ContenderResult>> = {};
  subjects.forEach(({ contender }, index) => {
    const { create = [], remove = [] } = times[index] ?? {};
    const [restAfterwards] = afterwards[index] ?? [];
    if (restAfterwards === undefined) throw new Error(`nothing was measured of ${contender.name}`);
    results[contender.name] = {
      nodeReadyMs: contender.nodeReadyMs,
      ...(create.length === 0 ? {} : { createMs: spreadOf(create), removeMs: spreadOf(remove) }),
      batches: batches[index] ?? [],
      rest: rest[index] ?? [],
      restAfterwards,
    };
  });
  return results;
}

/** Up to a second between two pods, at random: the kubelet looks once a second, and must not fall into step. */
const maxPauseMs = 1_000;
/** After a pod is gone its node still tidies up. */
const minPauseMs = 250;

interface Times {
  readonly create: number[];
  readonly remove: number[];
}

async function oneAfterAnother(subjects: readonly Subject[], count: number, say: Say, signal: AbortSignal): Promise<Times[]> {
  const times = subjects.map((): Times => ({ create: [], remove: [] }));
  const pause = (): Promise<void> => delay(minPauseMs + Math.random() * maxPauseMs, undefined, { signal });
  for (let round = 0; round < count; round++) {
    for (const index of inTurn(subjects, round)) {
      const { pods } = at(subjects, index);
      await pause();
      at(times, index).create.push(await pods.create(1));
      await pause();
      at(times, index).remove.push(await pods.remove());
    }
  }
  if (count > 0) {
    subjects.forEach(({ contender }, index) => {
      const { create, remove } = at(times, index);
      const p50 = (values: readonly number[]): string => `${median(values).toFixed(0)} ms`;
      say(
        `${contender.name}: ${count.toString()} pods one after another: create → Ready ${p50(create)}, delete → gone ${p50(remove)} (p50)`,
      );
    });
  }
  return times;
}

/** Between two batches, for what the nodes still tidy up. */
const batchPauseMs = 5_000;

async function atOnce(subjects: readonly Subject[], options: BenchOptions, say: Say, signal: AbortSignal): Promise<BatchResult[][]> {
  const results = subjects.map((): BatchResult[] => []);
  const ticks = await clockTicks();
  for (const pods of options.batches) {
    const rounds = subjects.map((): BatchRound[] => []);
    for (let round = 0; round < options.rounds; round++) {
      for (const index of inTurn(subjects, round)) {
        const subject = at(subjects, index);
        const batch = await oneBatch(subject, pods, ticks, signal);
        at(rounds, index).push(batch);
        const seconds = `Ready in ${(batch.readyMs / 1000).toFixed(1)} s, gone in ${(batch.goneMs / 1000).toFixed(1)} s`;
        say(`${subject.contender.name}: ${pods.toString()} pods at once: ${seconds}`);
      }
    }
    rounds.forEach((own, index) => {
      if (own.length === 0) return;
      const middle = (key: keyof BatchRound): number => median(own.map((round) => round[key]));
      at(results, index).push({
        pods,
        readyMs: middle('readyMs'),
        goneMs: middle('goneMs'),
        readyCpuMs: middle('readyCpuMs'),
        goneCpuMs: middle('goneCpuMs'),
        rounds: own,
      });
    });
  }
  return results;
}

async function oneBatch({ contender, pods }: Subject, count: number, ticks: number, signal: AbortSignal): Promise<BatchRound> {
  const cpuMs = async (): Promise<number> => (await familyUsage(contender.agentPid(), ticks)).cpuSeconds * 1000;
  await delay(batchPauseMs, undefined, { signal });
  const begin = await cpuMs();
  const readyMs = await pods.create(count);
  const ready = await cpuMs();
  await delay(batchPauseMs, undefined, { signal });
  const beginOfEnd = await cpuMs();
  const goneMs = await pods.remove();
  const gone = await cpuMs();
  return { readyMs, goneMs, readyCpuMs: (ready - begin) / count, goneCpuMs: (gone - beginOfEnd) / count };
}

/** How often memory is read while a node is watched. */
const samples = 6;

async function atRest(
  subjects: readonly Subject[],
  levels: readonly number[],
  options: BenchOptions,
  say: Say,
  signal: AbortSignal,
): Promise<RestResult[][]> {
  const results = subjects.map((): RestResult[] => []);
  const ticks = await clockTicks();
  for (const level of levels) {
    for (const { pods } of subjects) if (level > pods.count) await pods.create(level - pods.count);
    say(`at rest with ${level.toString()} pods: ${((options.settleMs + options.restMs) / 1000).toFixed(0)} s`);
    await delay(options.settleMs, undefined, { signal });
    const readAll = (): Promise<Reading[]> => Promise.all(subjects.map(({ contender }) => read(contender, ticks)));
    const readings = [await readAll()];
    for (let sample = 0; sample < samples; sample++) {
      await delay(options.restMs / samples, undefined, { signal });
      readings.push(await readAll());
    }
    subjects.forEach(({ contender }, index) => {
      const result = summary(
        level,
        readings.map((reading) => at(reading, index)),
      );
      at(results, index).push(result);
      const memory = `${megabytes(result.residentBytes)} resident, ${megabytes(result.anonymousBytes)} anonymous`;
      say(`${contender.name}: ${result.cpuPercent.toFixed(2)} % of a core, ${memory}`);
    });
  }
  for (const { pods } of subjects) if (pods.count > 0) await pods.remove();
  return results;
}

interface Reading {
  readonly at: number;
  readonly agent: ProcessUsage;
  readonly runtime: ProcessUsage;
}

async function read(contender: Contender, ticks: number): Promise<Reading> {
  const pid = contender.agentPid();
  if (pid === 0) throw new Error(`the agent of ${contender.name} has ended`);
  const [agent, runtime] = await Promise.all([familyUsage(pid, ticks), processUsage(contender.runtimePids(), ticks)]);
  return { at: performance.now(), agent, runtime };
}

function summary(pods: number, readings: readonly Reading[]): RestResult {
  const first = at(readings, 0);
  const last = at(readings, readings.length - 1);
  const percent = (whose: 'agent' | 'runtime'): number =>
    ((last[whose].cpuSeconds - first[whose].cpuSeconds) / ((last.at - first.at) / 1000)) * 100;
  return {
    pods,
    cpuPercent: percent('agent'),
    residentBytes: median(readings.map(({ agent }) => agent.residentBytes)),
    anonymousBytes: median(readings.map(({ agent }) => agent.anonymousBytes)),
    runtimeCpuPercent: percent('runtime'),
  };
}

/** The subjects' indexes, in an order that changes from round to round. */
function inTurn(subjects: readonly Subject[], round: number): number[] {
  const order = subjects.map((_, index) => index);
  return round % 2 === 0 ? order : order.reverse();
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no value at ${index.toString()}`);
  return value;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
