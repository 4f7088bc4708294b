/** Group ownership of volumes (kubelet pkg/volume/volume_linux.go). */
import path from 'node:path';
import type { FileStat, HostFiles } from './host-files.ts';

const READ_WRITE = 0o660;
const READ_ONLY = 0o440;
/** Of directories: search by owner and group; what is made in them inherits the group. */
const DIRECTORY = 0o2110;
/** Permission bits without set-user-id, set-group-id and sticky. */
const PERMISSIONS = 0o777;
const SET_GROUP_ID = 0o2000;

export interface OwnershipChange {
  /** `undefined`: the pod has no fsGroup, nothing is changed. */
  readonly fsGroup: number | undefined;
  /** `OnRootMismatch` leaves a volume alone whose root is right already; anything else changes all of it. */
  readonly policy?: string | undefined;
  readonly readOnly: boolean;
}

/**
 * Gives the group everything in `root` and the right to use it. What the agent may not change (it is not root) stays as it is.
 * @param onRefused told once, with the first refusal
 * @throws the signal's reason between two files
 */
export async function changeOwnership(
  files: HostFiles,
  root: string,
  { fsGroup, policy, readOnly }: OwnershipChange,
  onRefused: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  if (fsGroup === undefined) return;
  const stat = await files.lstat(root);
  if (stat === undefined) return;
  if (policy === 'OnRootMismatch' && rootMatches(stat, fsGroup, readOnly)) return;
  let refused = false;
  const refuse = (error: unknown): void => {
    if (!refused) onRefused(error);
    refused = true;
  };
  await changeEntry(files, root, stat, { fsGroup, mask: readOnly ? READ_ONLY : READ_WRITE, refuse }, signal);
}

interface EntryChange {
  readonly fsGroup: number;
  readonly mask: number;
  readonly refuse: (error: unknown) => void;
}

/** Children first, so that a root that is right means that all is right. */
async function changeEntry(files: HostFiles, entry: string, stat: FileStat, change: EntryChange, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (stat.type === 'directory') {
    for (const { name } of await files.list(entry)) {
      const child = path.join(entry, name);
      const childStat = await files.lstat(child);
      if (childStat !== undefined) await changeEntry(files, child, childStat, change, signal);
    }
  }
  try {
    await files.chown(entry, -1, change.fsGroup);
    // A mode is never set through a symlink: it would be that of whatever the link points to.
    if (stat.type !== 'symlink') await files.chmod(entry, stat.mode | change.mask | (stat.type === 'directory' ? DIRECTORY : 0));
  } catch (error) {
    change.refuse(error);
  }
}

function rootMatches(root: FileStat, fsGroup: number, readOnly: boolean): boolean {
  const needed = (readOnly ? READ_ONLY : READ_WRITE) | (DIRECTORY & PERMISSIONS);
  return (
    root.type === 'directory' && root.gid === fsGroup && (root.mode & needed) === needed && (root.mode & SET_GROUP_ID) === SET_GROUP_ID
  );
}
