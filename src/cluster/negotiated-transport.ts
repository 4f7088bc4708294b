/** HTTP/2 in two pools, and HTTP/1.1 where the server or a proxy allows nothing else. */
import type { Clock } from '../lib/clock.ts';
import type { ClusterAccess } from './credentials.ts';
import { Http1Client } from './http1-client.ts';
import { Http2Pool, Http2RefusedError } from './http2-pool.ts';
import type { Lane, Transport, TransportRequest, TransportResponse } from './transport.ts';

/** At 100 streams a session: far more short requests than the rate limit lets through in their deadline. */
const MAX_SHORT_SESSIONS = 8;
/** At 100 streams a session: 250 pods with a dozen config maps and secrets each. */
const MAX_WATCH_SESSIONS = 32;

/** The transport for a cluster; opens nothing before the first request. */
export function createTransport(access: ClusterAccess, clock: Clock): Transport {
  if (access.proxy !== undefined || access.server.protocol === 'http:') return new Http1Client(access);
  return new NegotiatedTransport(access, clock);
}

/** Speaks HTTP/2 until the server refuses it in its TLS handshake, and HTTP/1.1 from then on. */
class NegotiatedTransport implements Transport {
  readonly #pools: Readonly<Record<Lane, Http2Pool>>;
  readonly #http1: Http1Client;
  #http2Refused = false;

  constructor(access: ClusterAccess, clock: Clock) {
    this.#pools = {
      short: new Http2Pool({ access, clock, maxSessions: MAX_SHORT_SESSIONS }),
      watch: new Http2Pool({ access, clock, maxSessions: MAX_WATCH_SESSIONS }),
    };
    this.#http1 = new Http1Client(access);
  }

  async send(lane: Lane, request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    if (!this.#http2Refused) {
      try {
        return await this.#pools[lane].send(request, signal);
      } catch (error) {
        if (!(error instanceof Http2RefusedError)) throw error;
        this.#http2Refused = true;
      }
    }
    return this.#http1.send(lane, request, signal);
  }

  close(): void {
    this.#pools.short.close();
    this.#pools.watch.close();
    this.#http1.close();
  }
}
