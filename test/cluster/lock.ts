import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';

/** A lock held by this process; it ends with {@link Lock.release} or with the process, however that ends. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the machine-wide lock `name` if nobody holds it.
 *
 * The lock is a listening socket in Linux' abstract namespace: it has no file
 * that could be left behind, and the kernel drops it with its process.
 */
export async function tryLock(name: string): Promise<Lock | undefined> {
  const server = createServer();
  // Connections are waiters: they stay open until the lock is released.
  const waiters = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    waiters.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => waiters.delete(socket));
    socket.unref();
  });
  if (!(await listen(server, address(name)))) return undefined;
  server.unref();
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const waiter of waiters) waiter.destroy();
      }),
  };
}

/**
 * Takes the machine-wide lock `name`, waiting for its holder to release it or to die.
 *
 * @param onWait called once if somebody else holds it.
 */
export async function lock(name: string, signal?: AbortSignal, onWait?: () => void): Promise<Lock> {
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    const held = await tryLock(name);
    if (held !== undefined) return held;
    if (!told) onWait?.();
    told = true;
    await holderGone(name, signal);
  }
}

function address(name: string): string {
  return `\0shorelet-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(path, () => resolve(true));
  });
}

function holderGone(name: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(address(name));
    const end = (): void => {
      signal?.removeEventListener('abort', end);
      socket.destroy();
      resolve();
    };
    if (signal?.aborted === true) {
      end();
      return;
    }
    signal?.addEventListener('abort', end);
    socket.on('error', end);
    socket.on('close', end);
    socket.resume();
  });
}
