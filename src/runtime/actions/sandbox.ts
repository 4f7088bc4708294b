/** Creating, stopping and removing sandboxes (kubelet pkg/kubelet/kuberuntime/kuberuntime_sandbox.go, kuberuntime_manager.go). */
import { errorMessage, isNotFound } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import { ReasonedError } from '../../lib/reasoned-error.ts';
import type { ActionOf } from '../../pods/types.ts';
import { podDescription } from '../descriptions.ts';
import { SkippedError, type Execution, type NewSandbox } from '../execution.ts';
import { makeLogDirectory } from '../pod-files.ts';

/** It is created while the volumes are set up; containers that wait for it may be created while it starts, and started when it runs. */
export async function createSandbox(execution: Execution, _action: ActionOf<'createSandbox'>, signal: AbortSignal): Promise<void> {
  const { newSandbox } = execution;
  if (newSandbox === undefined) throw new SkippedError('the plan creates no sandbox');
  try {
    const id = await startSandbox(execution, newSandbox, signal);
    newSandbox.ready.resolve(await sandboxIPs(execution, id, signal));
  } catch (error) {
    if (signal.aborted || error instanceof SkippedError || (error instanceof ReasonedError && error.eventRecorded)) throw error;
    const text = errorMessage(error);
    execution.podEvent('Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${text}`);
    const message = `Failed to create sandbox for pod ${quote(podDescription(execution.pod))}: ${text}`;
    throw new ReasonedError('FailedCreatePodSandBox', message, { cause: error, eventRecorded: true });
  }
}

export async function stopSandbox(execution: Execution, { id }: ActionOf<'stopSandbox'>, signal: AbortSignal): Promise<void> {
  const { runtime } = execution.deps;
  await execution.call('StopPodSandbox', signal, (limited) => runtime.stopPodSandbox(id, limited));
}

export async function removeSandbox(execution: Execution, { id }: ActionOf<'removeSandbox'>, signal: AbortSignal): Promise<void> {
  const { runtime } = execution.deps;
  await execution.call('RemovePodSandbox', signal, (limited) => runtime.removePodSandbox(id, limited));
}

async function startSandbox(execution: Execution, newSandbox: NewSandbox, signal: AbortSignal): Promise<string> {
  const { runtime } = execution.deps;
  const [config, handler] = await Promise.all([execution.sandboxConfig(), execution.runtimeHandler()]);
  await makeLogDirectory(config.logDirectory);
  if (runtime.prepareSandbox === undefined) {
    await execution.requireVolumes();
    const id = await execution.call('RunPodSandbox', signal, (limited) => runtime.runPodSandbox(config, handler, limited));
    newSandbox.created.resolve(id);
    return id;
  }
  const prepare = runtime.prepareSandbox.bind(runtime);
  const prepared = await execution.call('RunPodSandbox (create)', signal, (limited) => prepare(config, handler, limited));
  try {
    await execution.requireVolumes(); // a pod without its volumes has no sandbox that runs
    newSandbox.created.resolve(prepared.id);
    await execution.call('RunPodSandbox (start)', signal, (limited) => prepared.start(limited));
  } catch (error) {
    newSandbox.failed = true;
    if (!signal.aborted) await removeFailed(execution, prepared.id, signal);
    throw error;
  }
  return prepared.id;
}

/** A sandbox that was not started takes the containers with it that were created in it meanwhile, all of them. */
async function removeFailed(execution: Execution, id: string, signal: AbortSignal): Promise<void> {
  const { runtime, logger } = execution.deps;
  await execution.creationsEnded();
  try {
    await execution.call('RemovePodSandbox', signal, (limited) => runtime.removePodSandbox(id, limited));
  } catch (error) {
    if (!isNotFound(error)) logger.warn('Could not remove a sandbox that failed to start', { sandbox: id, error: errorMessage(error) });
  }
}

async function sandboxIPs(execution: Execution, id: string, signal: AbortSignal): Promise<readonly string[]> {
  if (execution.pod.spec.hostNetwork === true) return [];
  const { runtime } = execution.deps;
  try {
    const status = await execution.call('PodSandboxStatus', signal, (limited) => runtime.podSandboxStatus(id, limited));
    return status.ips;
  } catch (error) {
    if (signal.aborted) throw error;
    const message = `Unable to get pod sandbox status: ${errorMessage(error)}`;
    execution.podEvent('Warning', 'FailedPodSandBoxStatus', message);
    throw new ReasonedError('FailedPodSandBoxStatus', message, { cause: error, eventRecorded: true });
  }
}
