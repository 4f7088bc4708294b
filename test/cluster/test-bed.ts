import type { ControlPlaneFlags } from './control-plane-flags.ts';
import { startControlPlane, type ControlPlane } from './control-plane.ts';
import { startEngine, type Engine, type EngineOptions } from './engine.ts';
import { loadImages } from './images.ts';
import type { ImageName } from './image-recipes.ts';
import { createNode, type TestNode } from './node.ts';
import { prepareTools } from './prerequisites.ts';
import { claimSlot, type Slot } from './slot.ts';
import type { Progress } from './cache.ts';

/** What a test bed should consist of. */
export interface TestBedOptions {
  readonly progress?: Progress;
  /** False for tests that need no API server. */
  readonly controlPlane?: boolean | ControlPlaneFlags;
  /** False for tests that need no Docker Engine. */
  readonly engine?: boolean | EngineOptions;
  /** Images to load into the engine. */
  readonly images?: readonly ImageName[];
  readonly signal?: AbortSignal | undefined;
}

/** A machine with an engine and a control plane beside it, all of this run's own. */
export interface TestBed {
  readonly slot: Slot;
  /** The machine on which the agent runs. */
  readonly node: TestNode;
  /** Throws if the test bed was started without one. */
  readonly engine: Engine;
  /** Throws if the test bed was started without one. */
  readonly controlPlane: ControlPlane;
  /** Loads test images that the engine does not have yet. */
  loadImages(...names: readonly ImageName[]): Promise<void>;
  /** Stops everything and removes all that was made, agents included. */
  stop(): Promise<void>;
}

/** Starts a test bed; what does not depend on one another starts at the same time. */
export async function startTestBed(options: TestBedOptions = {}): Promise<TestBed> {
  const { signal, progress = () => undefined } = options;
  const tools = await prepareTools(progress, signal);
  const slot = await claimSlot(tools, progress, signal);
  try {
    const node = await createNode(slot, 0, signal);
    const load = (engine: Engine, names: readonly ImageName[]): Promise<void> =>
      loadImages(engine.socketPath, names, { tools, progress, signal });
    const startOwnEngine = async (): Promise<Engine | undefined> => {
      if (options.engine === false) return undefined;
      const engine = await startEngine(node, flags(options.engine), signal);
      await load(engine, options.images ?? []);
      return engine;
    };
    const startOwnControlPlane = async (): Promise<ControlPlane | undefined> =>
      options.controlPlane === false ? undefined : startControlPlane(slot, flags(options.controlPlane), signal);
    const [engine, controlPlane] = await settled(startOwnEngine(), startOwnControlPlane());
    return {
      slot,
      node,
      get engine() {
        return present(engine, 'engine');
      },
      get controlPlane() {
        return present(controlPlane, 'control plane');
      },
      loadImages: (...names) => load(present(engine, 'engine'), names),
      stop: () => slot.release(),
    };
  } catch (error) {
    await slot.release();
    throw error;
  }
}

/** Waits for both even if one fails: a clean-up must not race with what is still starting. */
async function settled<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

function flags<T extends object>(value: boolean | T | undefined): T | Record<string, never> {
  return typeof value === 'object' ? value : {};
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`this test bed was started without ${what === 'engine' ? 'an' : 'a'} ${what}`);
  return value;
}
