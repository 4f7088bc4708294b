/** Init containers in their order, and restartable ones (sidecars) kept running (kubelet computeInitContainerActions). */
import type { ContainerSpec } from '../../api/types.ts';
import { activeContainers, definitionChanged, hasActiveAppContainer, isSidecar } from '../pod-view.ts';
import type { ObservedContainer, Waiting } from '../types.ts';
import { addStart, type Draft } from './draft.ts';
import { stopWhileSyncing, type StopCause } from './stop.ts';
import type { PlanInput } from './types.ts';

interface InitStep {
  readonly index: number;
  readonly reason: string;
  readonly stop?: { readonly container: ObservedContainer; readonly cause: StopCause };
}

/** What one init container's state calls for. */
interface Verdict {
  readonly step?: InitStep;
  /** It is over (or, a sidecar, started): the next one's turn. */
  readonly initialized: boolean;
}

/** Adds what the init containers need. Answers whether the pod is initialized, so that its app containers are next. */
export function planInit(input: PlanInput, draft: Draft): boolean {
  const inits = input.pod.spec.initContainers ?? [];
  if (inits.length === 0) return true;
  const active = activeContainers(input.observed);
  let initialized = hasActiveAppContainer(input.pod, input.observed);
  // From the last to the first: completed ones may have been removed, so the last one that is there tells how far the pod has come.
  let laterSeen = initialized;
  const steps: InitStep[] = [];
  for (const [index, init] of [...inits.entries()].reverse()) {
    const container = active.find((candidate) => candidate.metadata.name === init.name);
    if (laterSeen && !isSidecar(init)) continue;
    if (container === undefined) {
      if (laterSeen) steps.push({ index, reason: `sidecar ${init.name} is gone and has to keep running` });
      continue;
    }
    const verdict = isSidecar(init) ? judgeSidecar(input, init, index, container) : judgeInit(init, index, container);
    if (verdict.step !== undefined) steps.push(verdict.step);
    else if (!verdict.initialized) draft.waiting.push(waitFor(init));
    if (verdict.initialized && index === inits.length - 1) initialized = true;
    else if (verdict.initialized && !laterSeen) steps.push(nextStep(inits, index));
    laterSeen = true;
  }
  if (!laterSeen) steps.push({ index: 0, reason: `${inits[0]?.name ?? ''} is the first init container` });
  addSteps(input, draft, inits, steps);
  return initialized;
}

function waitFor({ name, startupProbe }: ContainerSpec): Waiting {
  const what = startupProbe === undefined ? 'to end' : 'to pass its startup probe';
  return { container: name, reason: 'PodInitializing', message: `init container ${name} runs, the pod waits for it ${what}` };
}

function nextStep(inits: readonly ContainerSpec[], index: number): InitStep {
  return { index: index + 1, reason: `init container ${inits[index]?.name ?? ''} is done, ${inits[index + 1]?.name ?? ''} is next` };
}

function addSteps(input: PlanInput, draft: Draft, inits: readonly ContainerSpec[], steps: readonly InitStep[]): void {
  for (const { index, reason, stop } of [...steps].sort((a, b) => a.index - b.index)) {
    const init = inits[index];
    if (init === undefined) continue;
    if (stop !== undefined) draft.actions.push(stopWhileSyncing(input.pod, init, stop.container, stop.cause));
    const starts = addStart(input, draft, init, 'init', reason);
    // Those after an ordinary init container need it; a sidecar that cannot start now holds up nobody but those that wait for it.
    if (!starts && !isSidecar(init)) return;
  }
}

function judgeInit(init: ContainerSpec, index: number, container: ObservedContainer): Verdict {
  switch (container.state) {
    case 'running':
      return { initialized: false };
    case 'created':
      return { step: { index, reason: `init container ${init.name} was created and has to run` }, initialized: false };
    case 'exited':
      if (container.exitCode === 0) return { initialized: true };
      return {
        step: { index, reason: `init container ${init.name} failed with exit code ${container.exitCode} and is tried again` },
        initialized: false,
      };
    case 'unknown':
      return { step: afterUnknown(init, index, container), initialized: false };
  }
}

function judgeSidecar(input: PlanInput, init: ContainerSpec, index: number, container: ObservedContainer): Verdict {
  switch (container.state) {
    case 'created':
    case 'exited':
      return { step: { index, reason: `sidecar ${init.name} has to keep running` }, initialized: false };
    case 'unknown':
      return { step: afterUnknown(init, index, container), initialized: false };
    case 'running':
      return judgeRunningSidecar(input, init, index, container);
  }
}

function judgeRunningSidecar({ probes }: PlanInput, init: ContainerSpec, index: number, container: ObservedContainer): Verdict {
  const restart = (message: string, probe?: 'liveness' | 'startup'): InitStep => ({
    index,
    reason: message,
    stop: { container, cause: { message, ...(probe === undefined ? {} : { probe }) } },
  });
  if (init.startupProbe !== undefined) {
    const startup = probes.get('startup', container.id);
    if (startup === 'failure') return { step: restart(`Init container ${init.name} failed startup probe`, 'startup'), initialized: false };
    if (startup !== 'success') return { initialized: false };
  }
  if (definitionChanged(init, container)) return { step: restart(`Init container ${init.name} definition changed`), initialized: true };
  if (init.livenessProbe !== undefined && probes.get('liveness', container.id) === 'failure') {
    return { step: restart(`Init container ${init.name} failed liveness probe`, 'liveness'), initialized: true };
  }
  return { initialized: true };
}

function afterUnknown(init: ContainerSpec, index: number, container: ObservedContainer): InitStep {
  const message = 'Init container is in "unknown" state, try killing it before restart';
  return { index, reason: `the state of init container ${init.name} is not known`, stop: { container, cause: { message } } };
}
