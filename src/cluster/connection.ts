/** TLS connections to the API server. */
import net from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { UnavailableError } from '../lib/errors.ts';
import type { TlsMaterial } from './credentials.ts';

/** Finds peers that vanished while the connection is idle, as client-go's dialer. */
const KEEP_ALIVE_MS = 30_000;

/** Connects and shakes hands. @throws UnavailableError saying why not (refused, unknown authority, expired, wrong name …) */
export function dialTls(server: URL, material: TlsMaterial, protocols: readonly string[], signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...tlsOptions(server, material), ALPNProtocols: [...protocols] });
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
      reject(new UnavailableError(`cannot connect to ${server.host}`, { cause: error }));
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

/** Options of a TLS client for this server, for node:tls and node:https. */
export function tlsOptions(server: URL, material: TlsMaterial): tls.ConnectionOptions & { readonly host: string; readonly port: number } {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const servername = material.servername ?? (net.isIP(host) === 0 ? host : undefined);
  return {
    host,
    port: server.port === '' ? 443 : Number(server.port),
    rejectUnauthorized: material.rejectUnauthorized,
    ...(servername === undefined ? {} : { servername }),
    ...(material.ca === undefined ? {} : { ca: material.ca }),
    ...(material.cert === undefined ? {} : { cert: material.cert }),
    ...(material.key === undefined ? {} : { key: material.key }),
  };
}
