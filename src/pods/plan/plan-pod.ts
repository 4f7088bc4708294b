import type { Action, ActionKind, Waiting } from '../types.ts';
import { planApp, planEphemeral } from './app.ts';
import { addStart, type Draft } from './draft.ts';
import { isFinished, isRunOnceAndSucceeded } from './finished.ts';
import { planInit } from './init.ts';
import { planPrune } from './prune.ts';
import { sandboxNeed, type SandboxNeed } from './sandbox.ts';
import { planSandboxTeardown, planTerminated, planTerminating } from './termination.ts';
import type { Plan, PlanInput } from './types.ts';

/**
 * What is to be done now so that the pod becomes what it should be (kubelet kuberuntime_manager.go computePodActions, and
 * pod_workers.go's way from syncing over terminating to terminated). Pure. Carry the actions out, observe, and ask again until
 * there are none. A plan only holds what can be done in one go: what depends on its outcome comes with the next.
 */
export function planPod(input: PlanInput): Plan {
  if (input.lifecycle === 'syncing' && isFinished(input)) return { actions: [], waiting: [], finished: true };
  const { actions, waiting } = gate(input, draftPlan(input));
  const untils = waiting.flatMap(({ until }) => (until === undefined ? [] : [until]));
  return { actions, waiting, finished: false, ...(untils.length === 0 ? {} : { wakeAt: Math.min(...untils) }) };
}

function draftPlan(input: PlanInput): { readonly actions: Action[]; readonly waiting: Waiting[] } {
  const { lifecycle, termination } = input;
  if (lifecycle === 'syncing') return planSyncing(input);
  if (termination === undefined) throw new Error(`a ${lifecycle} pod has a termination`);
  return lifecycle === 'terminating' ? planTerminating(input, termination) : planTerminated(input, termination);
}

function planSyncing(input: PlanInput): { readonly actions: Action[]; readonly waiting: Waiting[] } {
  const need = sandboxNeed(input.pod, input.observed);
  const { actions, waiting } = need.create ? planNewSandbox(input, need) : planInSandbox(input, need.id);
  const starts = actions.some(({ kind }) => kind === 'startContainer' || kind === 'createSandbox');
  const prepare: Action[] =
    starts || (!need.create && !input.memory.volumesPrepared)
      ? [{ kind: 'prepareVolumes', reason: starts ? 'containers are about to start' : 'its volumes are to be kept up to date' }]
      : [];
  const all = [...prepare, ...actions];
  return { actions: all.length === 0 ? planPrune(input) : all, waiting };
}

/** First whatever is left in old sandboxes ends; then a new one, and what starts first in it. */
function planNewSandbox(input: PlanInput, need: SandboxNeed & { create: true }): Draft {
  const draft: Draft = { actions: planSandboxTeardown(input, need.reason), waiting: [], sandboxId: undefined };
  if (draft.actions.length > 0) return draft;
  draft.actions.push({ kind: 'createSandbox', attempt: need.attempt, reason: need.reason });
  const [firstInit] = input.pod.spec.initContainers ?? [];
  if (firstInit !== undefined) {
    addStart(input, draft, firstInit, 'init', `${firstInit.name} is the first init container`);
    return draft;
  }
  for (const spec of input.pod.spec.containers) {
    if (!isRunOnceAndSucceeded(input, spec)) addStart(input, draft, spec, 'app', `${spec.name} is not there`);
  }
  return draft;
}

function planInSandbox(input: PlanInput, sandboxId: string): Draft {
  const draft: Draft = { actions: [], waiting: [], sandboxId };
  planEphemeral(input, draft);
  if (planInit(input, draft)) planApp(input, draft);
  return draft;
}

const STARTS: ReadonlySet<ActionKind> = new Set<ActionKind>(['prepareVolumes', 'createSandbox', 'startContainer']);

/** Holds back what a failed step stands in the way of, until it is time to try again. */
function gate(
  input: PlanInput,
  plan: { readonly actions: Action[]; readonly waiting: Waiting[] },
): {
  readonly actions: readonly Action[];
  readonly waiting: readonly Waiting[];
} {
  const failure = input.memory.podFailure;
  if (failure === undefined || input.now >= failure.retryAt) return plan;
  const actions = failure.blocks === 'all' ? [] : plan.actions.filter(({ kind }) => !STARTS.has(kind));
  if (actions.length === plan.actions.length) return plan;
  const { reason, message, retryAt: until } = failure;
  return { actions, waiting: [...plan.waiting, { reason, message, until }] };
}
