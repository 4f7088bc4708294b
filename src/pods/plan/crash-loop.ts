/** Back-off between restarts of a container (kubelet kuberuntime_manager.go doBackOff, client-go util/flowcontrol/backoff.go). */
import { parseTime } from '../../api/meta.ts';
import type { AnyContainerSpec, Pod, PodStatus } from '../../api/types.ts';
import { goDuration, parseGoDuration } from '../../lib/go-duration.ts';
import { podText, reportedContainer } from '../pod-view.ts';
import type { ObservedContainer, Waiting } from '../types.ts';
import type { CrashLoopEntry, PlanSettings } from './types.ts';

/** The kubelet's figures. */
export const defaultPlanSettings: PlanSettings = {
  crashLoopInitialMs: 10_000,
  crashLoopMaxMs: 300_000,
  crashLoopResetMs: 600_000,
};

/** What the container waits for before it may start again; `undefined`: nothing. */
export function crashLoopWait(
  pod: Pod,
  container: AnyContainerSpec,
  entry: CrashLoopEntry | undefined,
  exited: ObservedContainer | undefined,
  settings: PlanSettings,
  now: number,
): Waiting | undefined {
  if (entry === undefined || exited === undefined || entry.key !== crashLoopKey(container)) return undefined;
  const finishedAt = finishedAtMs(exited);
  if (ranLong(entry, finishedAt, settings)) return undefined;
  const until = finishedAt + entry.delayMs;
  if (now >= until) return undefined;
  return {
    container: container.name,
    reason: 'CrashLoopBackOff',
    message: `back-off ${goDuration(entry.delayMs)} restarting failed container=${container.name} pod=${podText(pod)}`,
    until,
  };
}

/** The entry after a start of a container that had ended before: the first wait, or twice the last. */
export function nextCrashLoop(
  container: AnyContainerSpec,
  entry: CrashLoopEntry | undefined,
  exited: ObservedContainer,
  settings: PlanSettings,
  now: number,
): CrashLoopEntry {
  const key = crashLoopKey(container);
  const anew = entry === undefined || entry.key !== key || ranLong(entry, finishedAtMs(exited), settings);
  const delayMs = anew ? settings.crashLoopInitialMs : entry.delayMs * 2;
  return { key, delayMs: Math.min(delayMs, settings.crashLoopMaxMs), startedAt: now };
}

/**
 * Entries of containers that wait, as the reported status tells of them: a restart of the agent does not start them all at once.
 * By container name.
 */
export function crashLoopsOf(pod: Pod, status: PodStatus | undefined): Map<string, CrashLoopEntry> {
  const entries = new Map<string, CrashLoopEntry>();
  for (const spec of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const reported = reportedContainer(status, spec.name);
    const { reason, message = '' } = reported?.state?.waiting ?? {};
    const delayMs = parseGoDuration(/^back-off (\S+) restarting failed container=/.exec(message)?.[1] ?? '');
    const startedAt = parseTime(reported?.lastState?.terminated?.startedAt);
    if (reason !== 'CrashLoopBackOff' || delayMs === undefined || startedAt === undefined) continue;
    entries.set(spec.name, { key: crashLoopKey(spec), delayMs, startedAt });
  }
  return entries;
}

function crashLoopKey(container: AnyContainerSpec): string {
  return JSON.stringify([container.image, container.resources]);
}

function ranLong(entry: CrashLoopEntry, finishedAt: number, settings: PlanSettings): boolean {
  return finishedAt - entry.startedAt > settings.crashLoopResetMs;
}

function finishedAtMs(exited: ObservedContainer): number {
  return Number(exited.finishedAt / 1_000_000n);
}
