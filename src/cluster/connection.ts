/** TLS connections to the API server. */
import net from 'node:net';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { UnavailableError } from '../lib/errors.ts';
import type { TlsMaterial } from './credentials.ts';

/** Finds peers that vanished while the connection is idle, as client-go's dialer. */
const KEEP_ALIVE_MS = 30_000;

/** What node:tls and node:https need to connect to one server with one set of credentials. */
export interface TlsClientOptions {
  readonly host: string;
  readonly port: number;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
  readonly secureContext: SecureContext;
}

/**
 * Made once for all connections with the same material: parsing certificates again for each takes time, and memory outside the heap.
 * @throws UnavailableError when a certificate or key cannot be read, as in the middle of a rotation
 */
export function tlsClientOptions(server: URL, material: TlsMaterial): TlsClientOptions {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const servername = material.servername ?? (net.isIP(host) === 0 ? host : undefined);
  return {
    host,
    port: server.port === '' ? 443 : Number(server.port),
    rejectUnauthorized: material.rejectUnauthorized,
    secureContext: createContext(material),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** Connects and shakes hands. @throws UnavailableError saying why not (refused, unknown authority, expired, wrong name …) */
export function dialTls(options: TlsClientOptions, protocols: readonly string[], signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...options, ALPNProtocols: [...protocols] });
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
    };
    const onAbort = (): void => {
      settle();
      socket.on('error', () => undefined); // nobody is interested in it any more
      socket.destroy();
      reject(signal.reason as Error);
    };
    const onError = (error: Error): void => {
      settle();
      reject(
        new UnavailableError(`cannot connect to ${net.isIPv6(options.host) ? `[${options.host}]` : options.host}:${options.port}`, {
          cause: error,
        }),
      );
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('secureConnect', () => {
      settle();
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      resolve(socket);
    });
  });
}

function createContext({ ca, cert, key }: TlsMaterial): SecureContext {
  try {
    return tls.createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  } catch (error) {
    throw new UnavailableError('the certificates for the API server cannot be read', { cause: error });
  }
}
