import http from 'node:http';
import type { Logger } from '../lib/log.ts';

export interface HealthzSettings {
  readonly address: string;
  /** 0: there is no such server. */
  readonly port: number;
}

/**
 * `GET /healthz` without TLS or credentials, on loopback unless told otherwise: for the service manager of the machine (the kubelet's
 * healthzPort). An address that is taken is a warning and no more, as there may be a kubelet beside us. Answers the function that
 * ends it.
 */
export async function serveHealthz(settings: HealthzSettings, health: () => string | undefined, log: Logger): Promise<() => Promise<void>> {
  const { address, port } = settings;
  if (port === 0) return () => Promise.resolve();
  const server = http.createServer((request, response) => {
    const known = request.url === '/healthz' || request.url === '/healthz/ping';
    const complaint = known ? health() : '404 page not found';
    const status = !known ? 404 : complaint === undefined ? 200 : 500;
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(complaint ?? 'ok');
  });
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', (error) => {
      log.warn('/healthz is not served on its own port', { address, port, error });
      resolve(false);
    });
    server.listen(port, address, () => resolve(true));
  });
  if (!listening) return () => Promise.resolve();
  server.on('error', (error) => log.error('The /healthz server failed', { error }));
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
