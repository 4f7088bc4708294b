import type { Duplex } from 'node:stream';

/** Whose localhost: the host's own, or that of a network namespace named by a process in it or by its file. */
export type NetnsTarget = { readonly hostNetwork: true } | { readonly pid: number } | { readonly netnsPath: string };

/** Opens TCP connections to localhost inside network namespaces. */
export interface NetnsDialer {
  /**
   * Connects to `port` on localhost there, IPv4 first and then IPv6; half-close works in both directions.
   * @throws UnavailableError when nothing listens, NotFoundError when the namespace is gone
   */
  dial(target: NetnsTarget, port: number, signal: AbortSignal): Promise<Duplex>;
  /** The sandbox is gone: ends its helper at once. Connections that are open live on until their own end. */
  release(target: NetnsTarget): void;
  /** Ends every helper. */
  close(): void;
}
