/** Files that change all together (kubelet pkg/volume/util/atomic_writer.go). */
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';
import type { HostFiles } from './host-files.ts';
import { removeTree } from './remove-tree.ts';

export interface FileProjection {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Owner of the file; absent: the agent's user. */
  readonly uid?: number;
}

/** By path relative to the volume. */
export type Payload = ReadonlyMap<string, FileProjection>;

const DATA = '..data';
const NEW_DATA = '..data_tmp';
const MAX_FILE_NAME = 255;
const MAX_PATH = 4096;
const DIRECTORY_MODE = 0o777;

/**
 * Makes `directory` show exactly `payload`: files lie in a directory named by the time, `..data` links to it and is replaced
 * in one rename, and what users see are links through `..data`. Nothing is written when the content is there already. On
 * failure the old content stays, and nothing of the new.
 *
 * @param now milliseconds since the epoch, for the directory's name
 * @param prepare called with the volume's files complete but not yet visible, to set owners
 * @returns whether new content was written
 * @throws InvalidInputError for a path that is absolute, has `..` in it or is too long; the file system's errors
 */
export async function writeAtomically(
  files: HostFiles,
  directory: string,
  payload: Payload,
  now: number,
  prepare: () => Promise<void>,
): Promise<boolean> {
  const clean = cleanPayload(payload);
  const dataLink = path.join(directory, DATA);
  const oldName = await files.readLink(dataLink);
  const oldPaths = oldName === undefined ? new Set<string>() : await pathsBelow(files, path.join(directory, oldName));
  const stale = [...oldPaths].filter((old) => !isNeeded(old, clean));
  const write = oldName === undefined || stale.length > 0 || (await differs(files, path.join(directory, oldName), clean));
  if (write) await replaceData(files, directory, clean, now, prepare);
  await linkVisible(files, directory, clean);
  for (const name of stale.filter((old) => !old.includes('/'))) await files.removeFile(path.join(directory, name));
  if (write) await removeOldData(files, directory);
  return write;
}

/** Whether the volume has been written at least once. */
export async function hasContent(files: HostFiles, directory: string): Promise<boolean> {
  return (await files.readLink(path.join(directory, DATA))) !== undefined;
}

async function replaceData(
  files: HostFiles,
  directory: string,
  payload: Payload,
  now: number,
  prepare: () => Promise<void>,
): Promise<void> {
  await removeOldData(files, directory); // of a write that was cut short: it may be what fills the disk
  const fresh = await files.makeUniqueDirectory(path.join(directory, timestampPrefix(now)));
  const newLink = path.join(directory, NEW_DATA);
  try {
    await writePayload(files, fresh, payload);
    await prepare();
    await files.symlink(path.basename(fresh), newLink);
    await files.rename(newLink, path.join(directory, DATA));
  } catch (error) {
    await files.removeFile(newLink);
    await removeTree(files, fresh);
    throw error;
  }
}

async function writePayload(files: HostFiles, directory: string, payload: Payload): Promise<void> {
  for (const [name, { data, mode, uid }] of payload) {
    const file = path.join(directory, name);
    if (name.includes('/')) await files.makeDirectory(path.dirname(file), DIRECTORY_MODE);
    await files.writeFile(file, data, mode);
    if (uid !== undefined) await files.chown(file, uid, -1);
  }
}

/** Files, or the first directory on the way to them, as links through `..data`. */
async function linkVisible(files: HostFiles, directory: string, payload: Payload): Promise<void> {
  for (const name of new Set([...payload.keys()].map((file) => file.split('/', 1)[0] ?? file))) {
    const visible = path.join(directory, name);
    if ((await files.lstat(visible)) !== undefined) continue;
    await files.symlink(path.join(DATA, name), visible);
    const owner = payload.get(name)?.uid;
    if (owner !== undefined) await files.chown(visible, owner, -1);
  }
}

/** Every directory of an earlier or unfinished write. */
async function removeOldData(files: HostFiles, directory: string): Promise<void> {
  const current = await files.readLink(path.join(directory, DATA));
  for (const { name } of await files.list(directory)) {
    if (!name.startsWith('..') || name === DATA || name === current) continue;
    await removeTree(files, path.join(directory, name));
  }
}

async function differs(files: HostFiles, dataDirectory: string, payload: Payload): Promise<boolean> {
  for (const [name, { data }] of payload) {
    const present = await files.readFile(path.join(dataDirectory, name));
    if (present === undefined || Buffer.compare(present, data) !== 0) return true;
  }
  return false;
}

/** Relative paths of files and directories. */
async function pathsBelow(files: HostFiles, directory: string, prefix = ''): Promise<Set<string>> {
  const found = new Set<string>();
  for (const { name, isDirectory } of await files.list(directory)) {
    const relative = prefix + name;
    found.add(relative);
    if (!isDirectory) continue;
    for (const below of await pathsBelow(files, path.join(directory, name), `${relative}/`)) found.add(below);
  }
  return found;
}

function isNeeded(old: string, payload: Payload): boolean {
  return payload.has(old) || [...payload.keys()].some((name) => name.startsWith(`${old}/`));
}

function cleanPayload(payload: Payload): Payload {
  return new Map([...payload].map(([name, projection]) => [cleanPath(name), projection]));
}

function cleanPath(name: string): string {
  const elements = name.split('/');
  if (name === '') throw new InvalidInputError('invalid path: must not be empty: ""');
  if (path.isAbsolute(name)) throw new InvalidInputError(`invalid path: must be relative path: ${name}`);
  if (name.length > MAX_PATH) throw new InvalidInputError(`invalid path: must be less than or equal to ${MAX_PATH} characters`);
  if (elements.includes('..')) throw new InvalidInputError(`invalid path: must not contain '..': ${name}`);
  if (elements.some((element) => Buffer.byteLength(element) > MAX_FILE_NAME)) {
    throw new InvalidInputError(`invalid path: filenames must be less than or equal to ${MAX_FILE_NAME} characters`);
  }
  if (name.startsWith('..')) throw new InvalidInputError(`invalid path: must not start with '..': ${name}`);
  return path.normalize(name).replace(/\/+$/, '');
}

/** `..2026_02_01_15_04_05.` */
function timestampPrefix(now: number): string {
  return `..${new Date(now).toISOString().slice(0, 19).replace(/[-T:]/g, '_')}.`;
}
