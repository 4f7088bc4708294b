/** The objects that a watch has seen, and what changed. */
import { objectKey } from '../api/meta.ts';
import type { KubeObject } from '../api/types.ts';
import type { Change } from './types.ts';

type Listener<T> = (change: Change<T>) => void;

/**
 * INVARIANTS
 * - Listeners hear every change once, in order, after it is in the map; a listener that throws does not keep others from hearing it.
 * - An object with another UID under the same name is deleted first and then added.
 * - An event for a version that is here already changes nothing.
 */
export class ObjectMap<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<Listener<T>>();
  readonly #onListenerError: (error: unknown) => void;

  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(objectKey(namespace, name));
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  onChange(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  set(object: T): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous === undefined) {
      this.#objects.set(key, object);
      this.#tell({ type: 'added', object });
    } else if (previous.metadata.uid !== object.metadata.uid) {
      this.delete(previous);
      this.set(object);
    } else if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) {
      this.#objects.set(key, object);
      this.#tell({ type: 'modified', object, previous });
    }
  }

  /** Removes the object of that name; `object` is the last known state of it. */
  delete(object: T): void {
    if (this.#objects.delete(keyOf(object))) this.#tell({ type: 'deleted', object });
  }

  /** Makes the map hold exactly these objects. */
  replace(objects: readonly T[]): void {
    const wanted = new Set(objects.map(keyOf));
    for (const [key, object] of this.#objects) if (!wanted.has(key)) this.delete(object);
    for (const object of objects) this.set(object);
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}

function keyOf(object: KubeObject): string {
  return objectKey(object.metadata.namespace, object.metadata.name);
}
