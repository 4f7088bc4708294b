/** HTTP requests to the API server as the REST client sees them. Only types. */

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface TransportResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /**
   * To be read to its end or left early, once. @throws UnavailableError when the connection breaks before the end; the signal's reason
   */
  readonly body: AsyncIterable<Buffer>;
}

/** Requests that end soon never wait behind watches, which do not end. */
export type Lane = 'short' | 'watch';

export interface Transport {
  /** Resolves with the answer's head. The signal also covers the body. @throws UnavailableError when the server cannot be reached */
  send(lane: Lane, request: TransportRequest, signal: AbortSignal): Promise<TransportResponse>;
  /** Ends every connection; requests under way fail. */
  close(): void;
}
