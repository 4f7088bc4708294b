import { Socket } from 'node:net';

/** IPv4 first, then IPv6, as containerd and the dockershim do. */
const LOCALHOSTS = ['127.0.0.1', '::1'];

/**
 * Connects to a port on localhost of the network namespace this process is in. The socket is paused, and half-close works. Rejects
 * with what each address family said.
 */
export async function connectLocalhost(port: number, signal: AbortSignal): Promise<Socket> {
  const failures: string[] = [];
  for (const host of LOCALHOSTS) {
    try {
      return await connect(host, port, signal);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures.join(', '));
}

function connect(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = new Socket({ allowHalfOpen: true });
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.pause(); // whoever gets the socket reads from its first byte
    const onError = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      resolve(socket);
    });
    socket.connect({ host, port });
  });
}
