/** The host's file system as volumes need it. Local calls, which cannot be cancelled once the kernel has them: no AbortSignal. */

export interface FileStat {
  readonly type: 'file' | 'directory' | 'symlink' | 'socket' | 'character' | 'block' | 'other';
  /** Permission bits with set-user-id, set-group-id and sticky: 0 … 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: number;
  readonly inode: number;
}

export interface DirectoryEntry {
  readonly name: string;
  /** Of the entry itself: a symlink to a directory is none. */
  readonly isDirectory: boolean;
}

/** An open descriptor that pins a file whatever happens to its path. */
export interface PinnedFile {
  /** `/proc/self/fd/<n>`; valid for this process until closed. */
  readonly path: string;
  /** The same under this process's id, for a child process such as `mount`. */
  readonly pathForChildren: string;
  stat(): Promise<FileStat>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Errors are the file system's own (`code` is ENOSPC, EACCES …); what "absent" means is said at each method. */
export interface HostFiles {
  /** Of what a symlink points to. `undefined`: absent. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Of the link itself. `undefined`: absent. */
  lstat(path: string): Promise<FileStat | undefined>;
  /** Absolute path without symlinks. `undefined`: absent. */
  realPath(path: string): Promise<string | undefined>;
  /** `undefined`: absent. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Creates or replaces the content; the mode is as given whatever the umask. */
  writeFile(path: string, content: Uint8Array, mode: number): Promise<void>;
  /** An empty file, if there is nothing of that name. */
  createFile(path: string, mode: number): Promise<void>;
  /** With its parents, which get the same mode; an existing directory is left as it is. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** Creates one with a random suffix of six characters, mode 0755; answers its path. */
  makeUniqueDirectory(prefix: string): Promise<string>;
  /** What is in a directory, in any order; nothing when it is absent. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
  symlink(target: string, path: string): Promise<void>;
  /** `undefined`: absent. */
  readLink(path: string): Promise<string | undefined>;
  rename(from: string, to: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Of the link itself where it is one; -1 leaves the user or group as it is. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  /** A file, link, socket or device. Success when absent. */
  removeFile(path: string): Promise<void>;
  /** An empty directory. Success when absent. */
  removeDirectory(path: string): Promise<void>;
  /** Opens without following a symlink in the last element and without opening devices; a symlink itself can be pinned. */
  pin(path: string): Promise<PinnedFile>;
}
