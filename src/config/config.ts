/** The one validated configuration of the program. */
import type { KubeletSettings } from './kubelet-schema.ts';
import type { ShoreletSettings } from './shorelet-schema.ts';

/** Read-only all the way down (and frozen at run time). */
export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/**
 * Everything that was configured, with defaults < files < flags applied. Fields have the names of their documents; durations
 * are milliseconds, sizes bytes, quantities parsed (api/quantity.ts), an empty text is "not set".
 */
export interface Config {
  readonly kubelet: DeepReadonly<KubeletSettings>;
  readonly shorelet: DeepReadonly<ShoreletSettings>;
  /** What follows from both and is wanted in more than one place. */
  readonly derived: DerivedSettings;
  /** Sentences for the log: settings that have no effect, and the like. */
  readonly warnings: readonly string[];
}

export interface DerivedSettings {
  /** `dockershim`: Docker inside the agent; `cri`: another runtime at kubelet.containerRuntimeEndpoint. */
  readonly runtime: 'dockershim' | 'cri';
  /** As configured, else the host's name in lower case. */
  readonly nodeName: string;
  readonly certDirectory: string;
  readonly dockershimRootDirectory: string;
  /** The image service's socket: its own, or the runtime's. Empty with `dockershim`. */
  readonly imageServiceEndpoint: string;
  readonly log: { readonly level: 'info' | 'debug'; readonly format: 'text' | 'json' };
}
