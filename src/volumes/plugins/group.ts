import { podReference } from '../../api/object-reference.ts';
import type { Pod } from '../../api/types.ts';
import { errorMessage } from '../../lib/errors.ts';
import { changeOwnership } from '../ownership.ts';
import type { PluginContext } from './plugin.ts';

/** A change of ownership that takes longer gets an event, and another one each period (kubelet pkg/volume/volume_linux.go). */
const FIRST_REPORT_MS = 30_000;
const REPORT_PERIOD_MS = 60_000;

export interface GroupOptions {
  readonly readOnly: boolean;
  /** Whether the pod's fsGroupChangePolicy counts: only for volumes that outlive the pod. */
  readonly honourPolicy: boolean;
}

/** Gives everything in the volume to the pod's fsGroup, if it has one. */
export async function applyFsGroup(
  context: PluginContext,
  pod: Pod,
  directory: string,
  { readOnly, honourPolicy }: GroupOptions,
  signal: AbortSignal,
): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
  if (fsGroup === undefined) return;
  const policy = honourPolicy ? fsGroupChangePolicy : undefined;
  const refused = (error: unknown): void =>
    context.log.warn('some files of a volume keep their group', { pod: pod.metadata.uid, directory, error: errorMessage(error) });
  const progress = reportProgress(context, pod, directory);
  try {
    await changeOwnership(context.files, directory, { fsGroup, policy, readOnly }, refused, signal);
  } finally {
    progress.cancel();
  }
}

function reportProgress({ clock, events }: PluginContext, pod: Pod, directory: string): { cancel(): void } {
  const shown = directory.slice(Math.max(0, directory.indexOf(pod.metadata.uid)));
  const report = (): void => {
    const message = `Setting volume ownership for ${shown} is taking longer than expected, consider using OnRootMismatch - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#configure-volume-permission-and-ownership-change-policy-for-pods`;
    events.event(podReference(pod), 'Warning', 'VolumePermissionChangeInProgress', message);
    timer = clock.after(REPORT_PERIOD_MS, report);
  };
  let timer = clock.after(FIRST_REPORT_MS, report);
  return { cancel: () => timer.cancel() };
}
