import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { pid } from 'node:process';
import type { FileStat, HostFiles, PinnedFile } from './host-files.ts';

/** Missing from Node's constants; the same number on every architecture that Linux and Node share. */
const O_PATH = 0o10000000;
const DIRECTORY_MODE = 0o755;

/** The file system of this machine. */
export const localFiles: HostFiles = {
  stat: (path) => orAbsent(async () => fileStat(await fs.stat(path))),
  lstat: (path) => orAbsent(async () => fileStat(await fs.lstat(path))),
  realPath: (path) => orAbsent(() => fs.realpath(path)),
  readFile: (path) => orAbsent(() => fs.readFile(path)),
  async writeFile(path, content, mode) {
    await fs.writeFile(path, content, { mode });
    await fs.chmod(path, mode); // the umask has taken its part of the mode
  },
  async createFile(path, mode) {
    const handle = await fs.open(path, constants.O_CREAT | constants.O_RDONLY | constants.O_NONBLOCK, mode);
    await handle.close();
  },
  async makeDirectory(path, mode) {
    await fs.mkdir(path, { recursive: true, mode });
  },
  async makeUniqueDirectory(prefix) {
    const path = await fs.mkdtemp(prefix);
    await fs.chmod(path, DIRECTORY_MODE);
    return path;
  },
  async list(path) {
    const entries = (await orAbsent(() => fs.readdir(path, { withFileTypes: true }))) ?? [];
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  },
  symlink: (target, path) => fs.symlink(target, path),
  readLink: (path) => orAbsent(() => fs.readlink(path)),
  rename: (from, to) => fs.rename(from, to),
  chmod: (path, mode) => fs.chmod(path, mode),
  chown: (path, uid, gid) => fs.lchown(path, uid, gid),
  async removeFile(path) {
    await orAbsent(() => fs.unlink(path));
  },
  async removeDirectory(path) {
    await orAbsent(() => fs.rmdir(path));
  },
  async pin(path): Promise<PinnedFile> {
    const handle = await fs.open(path, O_PATH | constants.O_NOFOLLOW);
    return {
      path: `/proc/self/fd/${handle.fd}`,
      pathForChildren: `/proc/${pid}/fd/${handle.fd}`,
      stat: async () => fileStat(await handle.stat()),
      close: () => handle.close(),
    };
  },
};

function fileStat(stats: Stats): FileStat {
  return {
    type: typeOf(stats),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    device: stats.dev,
    inode: stats.ino,
  };
}

function typeOf(stats: Stats): FileStat['type'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'character';
  if (stats.isBlockDevice()) return 'block';
  return 'other';
}

/** `undefined` when the path, or a directory on the way to it, does not exist. */
async function orAbsent<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isErrno(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
