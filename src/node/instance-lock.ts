/** One agent a root directory. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import path from 'node:path';
import { FailedPreconditionError } from '../lib/errors.ts';

const FILE = 'shorelet.lock';

/** Held until disposed, or until the process ends in whatever way. */
export interface InstanceLock extends AsyncDisposable {
  readonly path: string;
}

/**
 * Takes the root directory for this process by listening on a unix socket in it: the kernel closes it with the process, so a lock
 * is never left behind, and a socket that nobody listens on is a dead process's. The directory is made when it is missing.
 *
 * INVARIANT: of any number of processes, in whatever network namespaces, at most one holds a directory.
 * @throws FailedPreconditionError when another agent holds it
 */
export async function acquireInstanceLock(rootDirectory: string, signal: AbortSignal): Promise<InstanceLock> {
  signal.throwIfAborted();
  await mkdir(rootDirectory, { recursive: true, mode: 0o750 });
  const file = path.join(rootDirectory, FILE);
  const server = (await listen(file)) ?? (await takeOver(file, rootDirectory));
  if (server === undefined) {
    throw new FailedPreconditionError(
      `another Shorelet uses the root directory ${rootDirectory}: stop it, or give this one another directory (--root-dir)`,
    );
  }
  return { path: file, [Symbol.asyncDispose]: () => close(server) };
}

/** Replaces the socket of a dead process. Under a guard, or two that do so at once would remove each other's new socket. */
async function takeOver(file: string, rootDirectory: string): Promise<Server | undefined> {
  const { dev, ino } = await stat(rootDirectory);
  const guard = await listen(`\0shorelet-lock-${dev}-${ino}`); // an abstract name: leaves nothing to clean up
  if (guard === undefined) return undefined;
  try {
    if (await isHeld(file)) return undefined;
    await rm(file, { force: true });
    return await listen(file);
  } finally {
    await close(guard);
  }
}

/** `undefined` when the name is taken. */
function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref(); // the lock alone is no reason to keep running
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function isHeld(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file);
    const answer = (held: boolean): void => {
      socket.destroy();
      resolve(held);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
  });
}
