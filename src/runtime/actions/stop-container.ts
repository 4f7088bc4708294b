/** Pre-stop hook, stop signal, grace, kill (kubelet pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer). */
import { withDeadline } from '../../lib/abort.ts';
import { errorMessage, isDeadlineExceeded, isNotFound } from '../../lib/errors.ts';
import type { ActionOf, ObservedContainer } from '../../pods/types.ts';
import { findContainerSpec } from '../descriptions.ts';
import type { Execution } from '../execution.ts';
import { stopInfoOf } from '../labels.ts';
import type { HookRequest } from '../ports.ts';

/** kubelet minimumGracePeriodInSeconds: even a container without grace gets its signal before it is killed. */
const MINIMUM_GRACE_SECONDS = 2;

export interface KillRequest {
  readonly id: string;
  readonly name: string;
  readonly graceSeconds: number;
  /** Text of the Killing event. */
  readonly message: string;
}

export async function stopContainer(execution: Execution, action: ActionOf<'stopContainer'>, signal: AbortSignal): Promise<void> {
  const { id, container: name, message, graceSeconds, probeGraceSeconds } = action;
  try {
    await killContainer(execution, { id, name, message, graceSeconds: probeGraceSeconds ?? graceSeconds }, signal);
  } finally {
    execution.terminationOrder.ended(name);
  }
}

/** Resolves when the container is dead, also when it was gone already. */
export async function killContainer(
  execution: Execution,
  { id, name, graceSeconds, message }: KillRequest,
  signal: AbortSignal,
): Promise<void> {
  const { clock, runtime } = execution.deps;
  execution.containerEvent(name, 'Normal', 'Killing', message === '' ? `Stopping container ${name}` : message, id);
  const until = clock.monotonic() + graceSeconds * 1000;
  // Whole seconds used up, as the kubelet counts them.
  const left = (): number => Math.ceil((until - clock.monotonic()) / 1000);
  await runPreStop(execution, id, name, graceSeconds, signal);
  if (left() > 0) await awaitTurn(execution, name, left(), signal);
  const seconds = Math.max(left(), MINIMUM_GRACE_SECONDS);
  try {
    await execution.call('StopContainer', signal, (limited) => runtime.stopContainer(id, seconds, limited), seconds * 1000);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function runPreStop(execution: Execution, id: string, name: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
  const { clock, hooks, logger } = execution.deps;
  const request = preStopRequest(execution, id, name);
  if (request === undefined || graceSeconds <= 0) return;
  try {
    await withDeadline(clock, 'preStop hook', graceSeconds * 1000, signal, (limited) => hooks.run(request, limited));
  } catch (error) {
    if (signal.aborted) throw error;
    logger.warn('A preStop hook did not succeed', { pod: execution.pod.metadata.uid, container: name, error: errorMessage(error) });
    // One that used up the grace period has not failed; the message of one that did may hold secrets.
    if (!isDeadlineExceeded(error)) execution.containerEvent(name, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', id);
  }
}

/** From the spec, or from what the container was labelled with when its spec is gone. */
function preStopRequest(execution: Execution, containerId: string, name: string): HookRequest | undefined {
  const { pod, observed } = execution;
  const status = observed?.containers.find((container) => container.id === containerId);
  const spec = findContainerSpec(pod, name);
  const kept = spec === undefined ? stopInfoOf(status?.annotations ?? {}) : undefined;
  const handler = spec?.lifecycle?.preStop ?? kept?.preStop;
  if (handler === undefined) return undefined;
  const container = spec ?? { name, ...(kept?.ports === undefined ? {} : { ports: kept.ports }) };
  return { pod, container, containerId, handler, podIPs: execution.addresses(sandboxIPs(execution, status)) };
}

function sandboxIPs({ observed }: Execution, status: ObservedContainer | undefined): readonly string[] {
  const sandboxes = observed?.sandboxes ?? [];
  return (sandboxes.find(({ id }) => id === status?.podSandboxId) ?? sandboxes[0])?.ips ?? [];
}

/** Waits for those that must end first, but not beyond the grace period. */
async function awaitTurn(execution: Execution, name: string, seconds: number, signal: AbortSignal): Promise<void> {
  const { clock } = execution.deps;
  try {
    await withDeadline(clock, 'termination order', seconds * 1000, signal, (limited) => execution.terminationOrder.turn(name, limited));
  } catch (error) {
    if (!isDeadlineExceeded(error)) throw error;
  }
}
