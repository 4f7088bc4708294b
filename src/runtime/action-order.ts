import type { Action, ActionKind } from '../pods/types.ts';

/**
 * What an earlier step of a plan means for a later one: `needs`, the later one is tried only when the earlier has succeeded;
 * `after`, it waits for its end, however it ends; `undefined`, the two run at the same time.
 */
export type Precedence = 'needs' | 'after' | undefined;

const STOPS: readonly ActionKind[] = ['stopContainer', 'stopSandbox'];
const TEARDOWN: readonly ActionKind[] = [...STOPS, 'removeContainer', 'removeSandbox'];

/**
 * How `later` depends on `earlier`, a step before it in the plan. Creating a sandbox and starting containers in it are not ordered
 * here: they share their Execution and wait for each other only where they must.
 */
export function precedence(earlier: Action, later: Action): Precedence {
  switch (later.kind) {
    case 'stopContainer':
    case 'prepareVolumes':
    case 'updateContainerResources':
      return undefined;
    case 'stopSandbox':
      // Taking the sandbox down kills what did not stop by itself.
      return earlier.kind === 'stopContainer' ? 'after' : undefined;
    case 'removeContainer':
      return earlier.kind === 'stopContainer' && earlier.id === later.id ? 'needs' : undefined;
    case 'removeSandbox':
      if (earlier.kind === 'stopSandbox') return earlier.id === later.id ? 'needs' : undefined;
      return earlier.kind === 'removeContainer' ? 'needs' : undefined;
    case 'createSandbox':
    case 'startContainer':
      // What is to be replaced must be gone first: two of a kind would share ports and volumes.
      return STOPS.includes(earlier.kind) ? 'needs' : undefined;
    case 'cleanUp':
      return TEARDOWN.includes(earlier.kind) ? 'needs' : undefined;
  }
}
