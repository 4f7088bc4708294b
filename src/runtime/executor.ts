import { errorMessage, toError } from '../lib/errors.ts';
import { ReasonedError } from '../lib/reasoned-error.ts';
import type { Action, ActionFailure, ActionKind, ActionOf, ExecutionResult, PlanExecutor } from '../pods/types.ts';
import { precedence } from './action-order.ts';
import { cleanUp } from './actions/clean-up.ts';
import { removeContainer, updateContainerResources } from './actions/containers.ts';
import { createSandbox, removeSandbox, stopSandbox } from './actions/sandbox.ts';
import { startContainer } from './actions/start-container.ts';
import { stopContainer } from './actions/stop-container.ts';
import { findContainerSpec, isRestartableInitContainer } from './descriptions.ts';
import { Execution, SkippedError } from './execution.ts';
import type { ExecutorDeps } from './executor-deps.ts';
import { maskedPathsOf } from './masked-paths.ts';

export type { ExecutorDeps, ExecutorSettings } from './executor-deps.ts';

/** How one action is carried out. An action of pods/types.ts that has no entry here does not compile. */
type Actions = {
  readonly [Kind in ActionKind]: (execution: Execution, action: ActionOf<Kind>, turn: Promise<void>, signal: AbortSignal) => Promise<void>;
};

const ACTIONS: Actions = {
  prepareVolumes: async (execution) => {
    await execution.volumes();
  },
  createSandbox: (execution, action, _turn, signal) => createSandbox(execution, action, signal),
  startContainer,
  stopContainer: (execution, action, _turn, signal) => stopContainer(execution, action, signal),
  stopSandbox: (execution, action, _turn, signal) => stopSandbox(execution, action, signal),
  removeContainer: (execution, action, _turn, signal) => removeContainer(execution, action, signal),
  removeSandbox: (execution, action, _turn, signal) => removeSandbox(execution, action, signal),
  updateContainerResources: (execution, action, _turn, signal) => updateContainerResources(execution, action, signal),
  cleanUp: (execution, action, _turn, signal) => cleanUp(execution, action, signal),
};

type Outcome = { readonly kind: 'done' } | { readonly kind: 'skipped' } | { readonly kind: 'failed'; readonly error: Error };

/** Carries out plans through the runtime; see {@link PlanExecutor} for its promises. */
export function createExecutor(deps: ExecutorDeps): PlanExecutor {
  const maskedPaths = maskedPathsOf();
  return {
    async execute(context, actions, signal) {
      const execution = new Execution(deps, maskedPaths, context, actions, signal);
      announceNewSandbox(execution, actions);
      const outcomes: Promise<Outcome>[] = [];
      for (const [index, action] of actions.entries()) {
        outcomes.push(perform(execution, action, actions.slice(0, index), [...outcomes], signal));
      }
      return resultOf(actions, await Promise.all(outcomes));
    },
  };
}

/** kubelet kuberuntime_manager.go SyncPod: told before the old sandbox is taken down. */
function announceNewSandbox(execution: Execution, actions: readonly Action[]): void {
  const replaces = actions.some((action) => action.kind === 'createSandbox') && (execution.observed?.sandboxes.length ?? 0) > 0;
  if (replaces) execution.podEvent('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
}

async function perform(
  execution: Execution,
  action: Action,
  earlier: readonly Action[],
  outcomes: readonly Promise<Outcome>[],
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    for (const [index, other] of earlier.entries()) {
      const relation = precedence(other, action);
      if (relation === undefined) continue;
      const outcome = await outcomes[index];
      if (relation === 'needs' && outcome?.kind !== 'done') throw new SkippedError(`${other.kind} did not succeed`);
    }
    signal.throwIfAborted();
    const turn = turnOf(execution, action, earlier, outcomes);
    turn.catch(() => undefined); // a step that fails before its turn does not ask
    await dispatch(execution, action, turn, signal);
    return { kind: 'done' };
  } catch (error) {
    if (action.kind === 'createSandbox') abandonSandbox(execution);
    if (signal.aborted || error instanceof SkippedError) return { kind: 'skipped' };
    return { kind: 'failed', error: toError(error) };
  }
}

/** Resolves when the containers before this one have been started or have failed to; rejects after an init container that must succeed. */
async function turnOf(
  execution: Execution,
  action: Action,
  earlier: readonly Action[],
  outcomes: readonly Promise<Outcome>[],
): Promise<void> {
  if (action.kind !== 'startContainer' || action.containerKind === 'ephemeral') return;
  for (const [index, other] of earlier.entries()) {
    if (other.kind !== 'startContainer' || other.containerKind === 'ephemeral') continue;
    const outcome = await outcomes[index];
    if (outcome?.kind !== 'done' && isBlocking(execution, other)) throw new SkippedError(`init container ${other.container} did not start`);
  }
}

function isBlocking(execution: Execution, { containerKind, container: name }: ActionOf<'startContainer'>): boolean {
  const container = findContainerSpec(execution.pod, name);
  return containerKind === 'init' && container !== undefined && !isRestartableInitContainer(container);
}

function dispatch<Kind extends ActionKind>(
  execution: Execution,
  action: ActionOf<Kind> & { readonly kind: Kind },
  turn: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  return ACTIONS[action.kind](execution, action, turn, signal);
}

/** Those who wait for it must not wait for ever when it was never tried. */
function abandonSandbox({ newSandbox }: Execution): void {
  const because = new SkippedError('the sandbox was not created');
  newSandbox?.created.reject(because);
  newSandbox?.ready.reject(because);
}

function resultOf(actions: readonly Action[], outcomes: readonly Outcome[]): ExecutionResult {
  const done: Action[] = [];
  const failed: ActionFailure[] = [];
  const skipped: Action[] = [];
  for (const [index, action] of actions.entries()) {
    const outcome = outcomes[index];
    if (outcome?.kind === 'done') done.push(action);
    else if (outcome?.kind === 'failed') failed.push(failureOf(action, outcome.error));
    else skipped.push(action);
  }
  return { done, failed, skipped };
}

/** Words for steps that have none of their own (kubelet pkg/kubelet/container/sync_result.go). */
const REASONS: { readonly [Kind in ActionKind]: string } = {
  prepareVolumes: 'FailedMount',
  createSandbox: 'FailedCreatePodSandBox',
  startContainer: 'RunContainerError',
  stopContainer: 'FailedKillPod',
  stopSandbox: 'FailedKillPod',
  removeContainer: 'RemoveContainerError',
  removeSandbox: 'RemovePodSandboxError',
  updateContainerResources: 'ResizeError',
  cleanUp: 'FailedCleanUp',
};

function failureOf(action: Action, error: Error): ActionFailure {
  const reasoned = error instanceof ReasonedError ? error : undefined;
  const retryAt = retryTime(error);
  return {
    action,
    reason: reasoned?.reason ?? REASONS[action.kind],
    message: (action.kind === 'stopContainer' || action.kind === 'stopSandbox' ? 'error killing pod: ' : '') + errorMessage(error),
    eventRecorded: reasoned?.eventRecorded ?? false,
    error,
    ...(retryAt === undefined ? {} : { retryAt }),
  };
}

/** What an image in back-off says of its next try. */
function retryTime(error: Error): number | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    if ('retryAt' in current && typeof current.retryAt === 'number') return current.retryAt;
  }
  return undefined;
}
