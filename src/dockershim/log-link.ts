import { lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { ContainerRecord } from './records.ts';

/** Where the engine's json-file driver writes a container's log. */
export function engineLogFile(engineRootDirectory: string, containerId: string): string {
  return path.join(engineRootDirectory, 'containers', containerId, `${containerId}-json.log`);
}

/**
 * Makes the container's log path a link to the engine's file (dockershim docker_container.go createContainerLogSymlink); may be done
 * before the file exists. Nothing to do when no log was asked for, or the link is right.
 */
export async function linkLog(record: ContainerRecord, target: string): Promise<void> {
  if (record.logPath === '' || (await pointsTo(record.logPath, target))) return;
  await mkdir(path.dirname(record.logPath), { recursive: true, mode: 0o755 });
  // By way of another name: whoever reads the log never finds it missing.
  const temporary = `${record.logPath}.new`;
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, record.logPath);
}

/** Removes the link if it is this container's; success when it is gone. */
export async function unlinkLog(record: ContainerRecord, containerId: string): Promise<void> {
  if (record.logPath === '') return;
  const target = await targetOf(record.logPath);
  if (target === undefined || path.basename(path.dirname(target)) !== containerId) return;
  await rm(record.logPath, { force: true });
}

/** Whether the link is there and right. */
export async function pointsTo(link: string, target: string): Promise<boolean> {
  return (await targetOf(link)) === target;
}

async function targetOf(link: string): Promise<string | undefined> {
  try {
    return (await lstat(link)).isSymbolicLink() ? await readlink(link) : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}
