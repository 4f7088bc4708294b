/** Removing containers with what was kept for them, and changing their resources in place. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { CONTAINER_NAME_LABEL } from '../../api/container-labels.ts';
import { InvalidInputError } from '../../lib/errors.ts';
import type { ActionOf, ObservedContainer } from '../../pods/types.ts';
import { findContainerSpec } from '../descriptions.ts';
import type { Execution } from '../execution.ts';
import { logLinkPath, removeLogLink } from '../pod-files.ts';

/** Logs go first: a container whose logs could not be removed is tried again, and nothing is forgotten (kubelet removeContainer). */
export async function removeContainer(
  execution: Execution,
  { id, container }: ActionOf<'removeContainer'>,
  signal: AbortSignal,
): Promise<void> {
  const { runtime } = execution.deps;
  const status = execution.observed?.containers.find((observed) => observed.id === id);
  await removeLogs(execution, id, status?.labels[CONTAINER_NAME_LABEL] ?? container, status);
  await execution.call('RemoveContainer', signal, (limited) => runtime.removeContainer(id, limited));
}

export async function updateContainerResources(
  execution: Execution,
  { id, container: name }: ActionOf<'updateContainerResources'>,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, cgroups } = execution.deps;
  const container = findContainerSpec(execution.pod, name);
  if (container === undefined) throw new InvalidInputError(`the pod has no container ${name}`);
  const resources = cgroups.containerResources(execution.pod, container);
  await execution.call('UpdateContainerResources', signal, (limited) => runtime.updateContainerResources(id, resources, limited));
}

async function removeLogs(
  execution: Execution,
  containerId: string,
  containerName: string,
  status: ObservedContainer | undefined,
): Promise<void> {
  const { paths } = execution.deps;
  const { name: podName, namespace: podNamespace } = execution.pod.metadata;
  await removeLogLink(logLinkPath(paths.containerLogDirectory, { podName, podNamespace, containerName, containerId }));
  const ours = paths.podLogDirectory(execution.pod);
  if (status === undefined || !status.logPath.startsWith(`${ours}/`)) return;
  const [directory, base] = [path.dirname(status.logPath), path.basename(status.logPath)];
  for (const name of await entries(directory)) {
    if (name === base || name.startsWith(`${base}.`)) await rm(path.join(directory, name), { force: true });
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
