import { createServer } from 'node:net';

/** A TCP port of `address` that nobody listens on: the preferred one if it is free. */
export async function freePort(address: string, preferred = 0): Promise<number> {
  const port = await tryPort(address, preferred);
  if (port !== undefined) return port;
  const other = await tryPort(address, 0);
  if (other === undefined) throw new Error(`no free port on ${address}`);
  return other;
}

function tryPort(address: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(port, address, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : undefined));
    });
  });
}
