import type { Pod, PodStatus } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Authenticator, Authorizer } from '../cluster/types.ts';
import type { PodLookup } from '../pods/types.ts';
import type { LogOptions } from '../runtime/logs/read-logs.ts';
import type { ContainerStatus, RuntimeService } from '../runtime/types.ts';
import type { RemoteCommandStreams, UpgradeRequest } from '../streaming/types.ts';

export interface NodeServerSettings {
  /** Address to listen on; `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly port: number;
  /** Requests with neither certificate nor token are `system:anonymous` instead of being refused. */
  readonly anonymousAuth: boolean;
  /** Bearer tokens are asked of the API server. */
  readonly webhookAuthentication: boolean;
  /** `Webhook`: each request is authorized by the API server. `AlwaysAllow`: whoever is authenticated may do everything. */
  readonly authorizationMode: 'Webhook' | 'AlwaysAllow';
  /** PEM of the authorities whose client certificates are believed; absent: none are. */
  readonly clientCa?: string;
  readonly nodeName: string;
  /** Lowest TLS version and the cipher suites, Node's names; absent: Node's defaults. */
  readonly minTlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  /** exec, attach, port-forward, logs and run; off as with the kubelet's enableDebuggingHandlers. */
  readonly debuggingHandlers: boolean;
}

export interface TlsMaterial {
  /** The certificate chain and its key, PEM. */
  current(): { readonly cert: string; readonly key: string };
  onChange(listener: () => void): () => void;
}

/** The pod's status as last published, which knows more than the API's copy. */
export interface PodStatuses {
  status(uid: string): PodStatus | undefined;
}

/** Passes an authorized upgrade on to the runtime's one-use URL (see streaming). */
export interface StreamProxy {
  /** `streams`: of an exec or attach request; `undefined` for port-forward. */
  proxy(upgrade: UpgradeRequest, url: string, streams: RemoteCommandStreams | undefined, signal: AbortSignal): Promise<void>;
}

/** Reads the log of a container, whichever runtime wrote it. */
export interface ContainerLogs {
  read(container: ContainerStatus, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Answers of paths that other rooms provide (`/stats/summary`, `/metrics` …). */
export interface ExtraPage {
  readonly path: string;
  readonly contentType: string;
  render(query: URLSearchParams, signal: AbortSignal): Promise<string>;
}

export interface NodeServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly tls: TlsMaterial;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly pods: PodLookup;
  readonly statuses: PodStatuses;
  readonly runtime: RuntimeService;
  readonly containerLogs: ContainerLogs;
  readonly streams: StreamProxy;
  /** The newest ready sandbox of a pod, by the pod cache. */
  readonly sandboxOf: (podUid: string) => string | undefined;
  /** Every pod that has a running container, as the runtime sees it. */
  readonly runningPods: () => readonly Pod[];
  /** `undefined`: healthy; otherwise why not. */
  readonly health: () => string | undefined;
  /** The effective KubeletConfiguration, for /configz. */
  readonly configz: () => unknown;
  readonly pages: readonly ExtraPage[];
}
