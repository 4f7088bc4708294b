/** What a configuration may demand of the machine, and what the agent asks of it for itself (kubelet cmd/kubelet/app/server.go, pkg/kubelet/cm). */
import { writeFile } from 'node:fs/promises';
import { errorMessage, FailedPreconditionError } from '../lib/errors.ts';
import type { HostCapabilities } from './host-capabilities.ts';
import type { MachineFacts } from './machine.ts';

export interface HostRequirements {
  readonly failSwapOn: boolean;
  readonly failCgroupV1: boolean;
}

/** @throws FailedPreconditionError naming the setting that this machine does not meet */
export function checkHostRequirements(
  { failSwapOn, failCgroupV1 }: HostRequirements,
  { swapBytes }: Pick<MachineFacts, 'swapBytes'>,
  { cgroupVersion }: Pick<HostCapabilities, 'cgroupVersion'>,
): void {
  if (failSwapOn && swapBytes > 0) {
    throw new FailedPreconditionError('failSwapOn is set and this machine has swap: switch the swap off, or leave failSwapOn out');
  }
  if (failCgroupV1 && cgroupVersion === 1) {
    throw new FailedPreconditionError(
      'failCgroupV1 is set and this machine uses cgroup v1: boot it with cgroup v2, or leave failCgroupV1 out',
    );
  }
}

/** Sets the agent's own oom_score_adj. Answers what went wrong, to be logged once: without privileges it can only be raised. */
export async function setOwnOomScoreAdj(value: number, file = '/proc/self/oom_score_adj'): Promise<string | undefined> {
  try {
    await writeFile(file, String(value));
    return undefined;
  } catch (error) {
    return `the agent's own oom_score_adj cannot be set to ${value}: ${errorMessage(error)}`;
  }
}
