import type { PodCache } from '../../pods/types.ts';

/** Resolves when the container runs no more or is gone; also when aborted, for then nobody waits any longer. */
export function containerEnded(
  cache: Pick<PodCache, 'get' | 'onChange'>,
  podUid: string,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const isLive = (): boolean => {
    const state = cache.get(podUid)?.containers.find(({ id }) => id === containerId)?.state;
    return state === 'running' || state === 'created';
  };
  if (signal.aborted || !isLive()) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      unsubscribe();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const unsubscribe = cache.onChange((uid) => {
      if (uid === podUid && !isLive()) finish();
    });
    signal.addEventListener('abort', finish, { once: true });
  });
}
