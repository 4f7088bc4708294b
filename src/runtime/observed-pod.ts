import { POD_NAME_LABEL, POD_NAMESPACE_LABEL } from '../api/container-labels.ts';
import type { ObservedContainer, ObservedPod } from '../pods/types.ts';
import type { PodSandboxStatus } from './types.ts';

/** What the runtime has of one sandbox. */
export interface ObservedSandbox {
  readonly id: string;
  /** `undefined`: containers are left of a sandbox that is gone. */
  readonly status: PodSandboxStatus | undefined;
  readonly containers: readonly ObservedContainer[];
}

/** Sandboxes as one pod: the newest attempt first, containers newest first (kubelet podSandboxByCreatedThenID, containerStatusByCreated). */
export function observedPod(uid: string, parts: readonly ObservedSandbox[], observedAt: number): ObservedPod {
  const sandboxes = parts.flatMap(({ status }) => status ?? []).sort(newestSandboxFirst);
  const containers = parts.flatMap(({ containers }) => containers).sort(newestFirst);
  const metadata = sandboxes[0]?.metadata;
  const labels = containers[0]?.labels;
  return {
    uid,
    name: metadata?.name ?? labels?.[POD_NAME_LABEL] ?? '',
    namespace: metadata?.namespace ?? labels?.[POD_NAMESPACE_LABEL] ?? '',
    sandboxes,
    containers,
    observedAt,
  };
}

function newestSandboxFirst(a: PodSandboxStatus, b: PodSandboxStatus): number {
  return b.metadata.attempt - a.metadata.attempt || newestFirst(a, b);
}

function newestFirst(
  a: { readonly createdAt: bigint; readonly id: string },
  b: { readonly createdAt: bigint; readonly id: string },
): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}
