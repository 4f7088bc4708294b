/** Plans as a few words, to compare them by. */
import type { ProbeReader } from '../ports.ts';
import type { Action } from '../types.ts';
import type { Plan } from '../plan/types.ts';

/** Actions in a few words: `start web#1`, `stop web 30`, `sandbox 0`. */
export function words({ actions }: Plan): string[] {
  return actions.map(word);
}

function word(action: Action): string {
  switch (action.kind) {
    case 'prepareVolumes':
      return 'volumes';
    case 'createSandbox':
      return `sandbox ${action.attempt}`;
    case 'startContainer':
      return `start ${action.container}#${action.attempt}${action.sandboxId === undefined ? ' in the new sandbox' : ''}`;
    case 'stopContainer':
      return `stop ${action.container} ${action.graceSeconds}`;
    case 'stopSandbox':
    case 'removeSandbox':
    case 'removeContainer':
      return `${action.kind} ${action.id}`;
    case 'updateContainerResources':
    case 'cleanUp':
      return action.kind;
  }
}

/** One probe of one container fails, everything else succeeds. */
export const failing = (id: string, kind: 'liveness' | 'startup'): ProbeReader => ({
  get: (probe, containerId) => (probe === kind && containerId === id ? 'failure' : 'success'),
});
