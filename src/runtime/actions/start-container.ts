/** Image, create, start, post-start hook (kubelet pkg/kubelet/kuberuntime/kuberuntime_container.go startContainer; its events). */
import path from 'node:path';
import type { AnyContainerSpec } from '../../api/types.ts';
import { errorMessage, InvalidInputError, NotFoundError } from '../../lib/errors.ts';
import { ReasonedError } from '../../lib/reasoned-error.ts';
import type { ActionOf } from '../../pods/types.ts';
import { buildContainer } from '../build-container.ts';
import { findContainerSpec } from '../descriptions.ts';
import { environmentNeedsPodIPs } from '../env.ts';
import { SkippedError, type Execution } from '../execution.ts';
import { logLinkPath, makeLogDirectory, makeLogLink } from '../pod-files.ts';
import type { ContainerConfig, PodSandboxConfig } from '../types.ts';
import { killContainer } from './stop-container.ts';

type StartContainer = ActionOf<'startContainer'>;

interface CreatedContainer {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly sandboxConfig: PodSandboxConfig;
}

/** @param turn resolves when those that are started before it have been */
export async function startContainer(
  execution: Execution,
  action: StartContainer,
  turn: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const container = findContainerSpec(execution.pod, action.container);
  if (container === undefined) throw new InvalidInputError(`the pod has no container ${action.container}`);
  const created = await createContainer(execution, action, container, signal);
  await turn;
  const podIPs = await execution.podIPs(action.sandboxId);
  const { runtime } = execution.deps;
  await step(execution, container, 'RunContainerError', created.id, signal, () =>
    execution.call('StartContainer', signal, (limited) => runtime.startContainer(created.id, limited)),
  );
  execution.containerEvent(container.name, 'Normal', 'Started', 'Container started');
  await linkLog(execution, created);
  await runPostStart(execution, container, created.id, podIPs, signal);
}

/** Everything that can be done while the sandbox starts. */
async function createContainer(
  execution: Execution,
  action: StartContainer,
  container: AnyContainerSpec,
  signal: AbortSignal,
): Promise<CreatedContainer> {
  const { runtime } = execution.deps;
  const sandboxConfig = await sandboxConfigFor(execution, action, container, signal);
  const [image, sandboxId] = await imageAndSandbox(execution, action, container, sandboxConfig, signal);
  const podIPs = environmentNeedsPodIPs(container) ? await execution.podIPs(action.sandboxId) : [];
  const config = await step(execution, container, 'CreateContainerConfigError', '', signal, async () => {
    const targetId = targetOf(execution, container);
    await makeLogDirectory(path.join(sandboxConfig.logDirectory, container.name));
    return buildContainer(
      execution,
      { container, attempt: action.attempt, image, podIPs, ...(targetId === undefined ? {} : { targetId }) },
      signal,
    );
  });
  const id = await step(execution, container, 'CreateContainerError', '', signal, () =>
    execution.createIn(action.sandboxId, () =>
      execution.call('CreateContainer', signal, (limited) => runtime.createContainer(sandboxId, config, sandboxConfig, limited)),
    ),
  );
  execution.containerEvent(container.name, 'Normal', 'Created', 'Container created');
  return { id, config, sandboxConfig };
}

/** What is wrong with the sandbox of this same plan is told by the step that creates it. */
async function sandboxConfigFor(
  execution: Execution,
  { sandboxId }: StartContainer,
  container: AnyContainerSpec,
  signal: AbortSignal,
): Promise<PodSandboxConfig> {
  return step(execution, container, 'CreateContainerConfigError', '', signal, async () => {
    try {
      return await execution.sandboxConfig(sandboxId);
    } catch (error) {
      throw sandboxId === undefined ? new SkippedError(errorMessage(error)) : error;
    }
  });
}

/** The image is looked for while volumes and sandbox are being made; when those fail nobody waits for it any longer. */
async function imageAndSandbox(
  execution: Execution,
  action: StartContainer,
  container: AnyContainerSpec,
  sandboxConfig: PodSandboxConfig,
  signal: AbortSignal,
) {
  const waiting = new AbortController();
  const both = AbortSignal.any([signal, waiting.signal]);
  const image = step(execution, container, undefined, '', both, () =>
    execution.deps.images.ensureImage({ pod: execution.pod, container, sandboxConfig }, both),
  );
  try {
    const [answer, sandboxId] = await Promise.all([image, execution.sandboxId(action.sandboxId), execution.requireVolumes()]);
    return [answer, sandboxId] as const;
  } finally {
    waiting.abort();
  }
}

/**
 * Runs one step; its failure becomes an event about the container and carries the word that its waiting state shows.
 * @param reason `undefined`: the error brings its own
 */
async function step<T>(
  execution: Execution,
  container: AnyContainerSpec,
  reason: string | undefined,
  containerId: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted || error instanceof SkippedError) throw error;
    const word = reason ?? (error instanceof ReasonedError ? error.reason : 'ErrImagePull');
    const message = errorMessage(error);
    // An image's failure has told its own story; what is added is only that it is why the container does not start.
    execution.containerEvent(container.name, 'Warning', 'Failed', `Error: ${reason === undefined ? word : message}`, containerId);
    throw new ReasonedError(word, message, { cause: error, eventRecorded: true });
  }
}

function targetOf(execution: Execution, container: AnyContainerSpec): string | undefined {
  const name = 'targetContainerName' in container ? container.targetContainerName : undefined;
  if (name === undefined || name === '') return undefined;
  const target = execution.observed?.containers.find(({ metadata }) => metadata.name === name);
  if (target === undefined) throw new NotFoundError(`unable to find target container ${name}`);
  return target.id;
}

/** For log collectors. A container whose log cannot be linked runs all the same. */
async function linkLog(execution: Execution, { id, config, sandboxConfig }: CreatedContainer): Promise<void> {
  const { paths, logger } = execution.deps;
  const { name, namespace } = execution.pod.metadata;
  const link = logLinkPath(paths.containerLogDirectory, {
    podName: name,
    podNamespace: namespace,
    containerName: config.metadata.name,
    containerId: id,
  });
  try {
    await makeLogLink(link, path.join(sandboxConfig.logDirectory, config.logPath));
  } catch (error) {
    logger.warn('Could not link a container log', { link, error: errorMessage(error) });
  }
}

async function runPostStart(
  execution: Execution,
  container: AnyContainerSpec,
  containerId: string,
  podIPs: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const handler = container.lifecycle?.postStart;
  if (handler === undefined) return;
  const { pod, deps } = execution;
  try {
    await deps.hooks.run({ pod, container, containerId, handler, podIPs }, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    deps.logger.warn('A postStart hook failed', { pod: pod.metadata.uid, container: container.name, error: errorMessage(error) });
    // The hook's own message may hold secrets: it goes into the status, which needs rights to read, and not into the event.
    execution.containerEvent(container.name, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 0;
    await killContainer(execution, { id: containerId, name: container.name, graceSeconds, message: 'FailedPostStartHook' }, signal);
    throw new ReasonedError('PostStartHookError', errorMessage(error), { cause: error, eventRecorded: true });
  }
}
