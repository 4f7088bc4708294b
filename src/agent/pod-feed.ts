import type { Pod } from '../api/types.ts';
import type { Change, ObjectStore } from '../cluster/types.ts';
import type { PodFeed } from '../pods/ports.ts';

/** Delivers what a watch of this node's pods sees: its first list as a whole, then each change. Answers the function that ends it. */
export function feedPods(store: ObjectStore<Pod>, feed: PodFeed, signal: AbortSignal): () => void {
  let live = false;
  const deliver = (change: Change<Pod>): void => {
    if (!live) return;
    if (change.type === 'deleted') feed.remove(change.object);
    else feed.upsert(change.object);
  };
  const unsubscribe = store.onChange(deliver);
  store.synced(signal).then(
    () => {
      feed.replace(store.list());
      live = true;
    },
    () => undefined, // aborted before the first list: nobody waits for it any more
  );
  return unsubscribe;
}
